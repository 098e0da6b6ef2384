"""The resources of rules from which Snakemake's SLURM plugin makes options of sbatch; the Snakefile imports them."""

RULE_OPTIONS = {
    "slurm_account": "-A",
    "slurm_partition": "-p",
    "clusters": "--clusters",
    "slurm_cluster": "--clusters",
    "cluster": "--clusters",
    "runtime": "-t",
    "constraint": "-C",
    "qos": "--qos",
    "mem_mb": "--mem",
    "nodes": "--nodes",
    "gres": "--gres",
}
"""Options of sbatch by the resource from which Snakemake's SLURM plugin makes them."""

SITE_RESOURCES = {*RULE_OPTIONS, "mem_mb_per_cpu", "cpus_per_task", "slurm_extra"} - {"runtime", "mem_mb"}
"""Resources that a profile's defaults may say of all rules; these say how long they run, and in how much memory."""

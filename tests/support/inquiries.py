"""Requests for jobs, and what an inquiry says of them."""

from lightsheet.cluster.inquiry import Inquiry, ask_slurm
from lightsheet.cluster.request import SECTION_KEYS, Request, request_rule
from lightsheet.cluster.room import Team


def rule(name: str = "ingest", cores: int = 1, **resources: str) -> Request:
    resources = {"slurm_partition": "cpu", "mem_mb": "1000", "runtime": "60", **resources}
    return request_rule(name, "config.yaml", resources, cores)


def worker(cores: int, *words: str) -> Request:
    words = ("-p", "cpu", "-n", "1", f"--cpus-per-task={cores}", "--mem=1000M", "-t", "60", *words)
    return Request("workers", "section cpu of jobqueue.yaml", SECTION_KEYS, words, is_worker=True)


def ask(*requests: Request, coordinators: int = 1) -> Inquiry:
    """Ask about rules and, if one is among them, workers beside coordinators of the first rule."""
    workers = [request for request in requests if request.is_worker]
    return ask_slurm(requests, Team(workers[0], requests[0], coordinators) if workers else None)

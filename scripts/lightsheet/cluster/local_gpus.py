"""Local workers with GPUs: a device for each, tried before it gets a volume."""

import os
from collections.abc import Sequence

from distributed import Client, Worker, WorkerPlugin

from lightsheet.cluster.faults import FINAL
from lightsheet.cluster.slurm_worker import TRIAL_SECONDS
from lightsheet.deconvolution import try_engine
from lightsheet.deconvolution.gpu_trial import ask_for_gpu
from lightsheet.system import InputError


class OneDevice(WorkerPlugin):
    """Lets a worker process see one device only, before it loads CUDA; the one that replaces it sees the same."""

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = devices

    def setup(self, worker: Worker) -> None:
        """Choose the device by the worker's number, which is its name."""
        os.environ["CUDA_VISIBLE_DEVICES"] = self.devices[int(worker.name) % len(self.devices)]


def prepare_workers(client: Client) -> None:
    """Give each worker a device, and try it; InputError with the reason if one cannot compute on it."""
    devices = ask_for_gpu().devices
    if len(devices) > 1:
        client.register_plugin(OneDevice(devices))
    workers = list(client.nthreads())
    trials = [client.submit(try_engine, "gpu", pure=False, workers=[w], allow_other_workers=False) for w in workers]
    for trial in trials:
        try:
            trial.result(timeout=TRIAL_SECONDS)
        except Exception as error:  # of any kind, for it would fail the volumes too
            raise InputError(f"a worker on this machine is of no use: {error} {FINAL}") from error

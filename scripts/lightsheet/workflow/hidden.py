"""A rule's parameter that Snakemake hands to the job, and neither compares nor prints."""

from dataclasses import dataclass
from typing import Any

from lightsheet.system import digest_json


@dataclass(frozen=True)
class Hidden:
    """A long list, in builtin types: of one plane that is new in a folder, Snakemake would print all the others."""

    content: Any

    @property
    def digest(self) -> str:
        """What stands for it among the parameters that are compared."""
        return digest_json(self.content)

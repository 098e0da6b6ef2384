"""roc-validator without a network: the JSON-LD context of RO-Crate comes from the `rocrate` package."""

import io
import json
import tempfile
import warnings
from pathlib import Path

import requests
import rocrate
from requests_cache import CachedSession
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from urllib3 import HTTPResponse

CONTEXT = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"
# The package ships the context of RO-Crate 1.3; in that of 1.1, a crate is valid or not by these differences.
ONLY_IN_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
}
NOT_IN_1_1 = ("sha256",)
PROFILE = "workflow-run-crate-0.5"


def validate(folder: Path) -> list[str]:
    """Return what the profile Workflow Run Crate 0.5 REQUIRES and the crate in `folder` lacks."""
    return findings(folder, Severity.REQUIRED)


def recommended(folder: Path) -> set[tuple[str, str]]:
    """Return what the profile RECOMMENDS or REQUIRES and the crate in `folder` lacks: check and entity."""
    pairs = (line.split(": ", 1) for line in findings(folder, Severity.RECOMMENDED))
    return {(check, entity.split(" ")[0]) for check, entity in pairs}


def findings(folder: Path, severity: Severity) -> list[str]:
    """Return the findings at least so severe, one line each."""
    with tempfile.TemporaryDirectory() as cache:
        _fill(Path(cache) / "http")
        settings = ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier=PROFILE,
            requirement_severity=severity,
            offline=True,
            cache_path=Path(cache) / "http",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the validator's own libraries
            result = services.validate(settings)
        assert not result.skipped_checks, result.skipped_checks  # such as for want of a network
        return [
            f"{i.severity.name} {i.check.identifier}: {i.violatingEntity or ''} {i.message}"
            for i in result.get_issues(severity)
        ]


def _fill(cache: Path) -> None:
    """Put the context into the validator's HTTP cache, as if it had been fetched."""
    context = json.loads(CONTEXT.read_bytes())
    context["@context"].update(ONLY_IN_1_1)
    for term in NOT_IN_1_1:
        del context["@context"][term]
    response = requests.Response()
    response.url, response.status_code = CONTEXT_URL, 200
    response.headers["Content-Type"] = "application/ld+json"
    response.request = requests.Request("GET", CONTEXT_URL).prepare()
    response.raw = HTTPResponse(body=io.BytesIO(json.dumps(context).encode()), preload_content=False)
    with CachedSession(str(cache), backend="sqlite") as session:
        session.cache.save_response(response)

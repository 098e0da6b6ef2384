"""How many examples a property test takes: so many times as the profile of hypothesis says, `ci` or `fuzz`."""

from hypothesis import HealthCheck, settings


def take(times: float, *suppressed: HealthCheck) -> settings:
    """Take more examples where each is fast and few are telling, fewer where each is slow."""
    checks = {*settings().suppress_health_check, *suppressed}
    return settings(max_examples=max(1, round(times * settings().max_examples)), suppress_health_check=checks)

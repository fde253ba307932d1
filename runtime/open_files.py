"""How many files and connections a daemon may have open; the usual soft limit is 1,024, which connections use up."""

import resource


def allow_open_files(wanted: int) -> int:
    """Raise this process's soft limit to what is wanted, as far as the hard limit lets it; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed

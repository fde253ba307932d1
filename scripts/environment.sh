# Sourced by scripts/demo and scripts/test: $venv and install_ridgeway.
venv="${RIDGEWAY_VENV:-.venv}"

install_ridgeway() {
    if [ ! -x "$venv/bin/pip" ]; then
        "${PYTHON:-python3}" -m venv "$venv" || {
            echo "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
            exit 1
        }
    fi
    echo "Installing Ridgeway into $venv ..." >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$1" >&2
    # A second install brings in what changed in the checkout since, at the same version.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall . >&2
}

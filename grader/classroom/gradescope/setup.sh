#!/bin/sh
# Gradescope runs this once, as root, while it builds the autograder's image.
# uv finds or fetches the Python that .python-version names: Ubuntu's own may be older than what JAX needs.
set -eu
autograder=${AUTOGRADER:-/autograder}
apt-get update
apt-get install -y --no-install-recommends bubblewrap python3-venv
python3 -m venv "$autograder/uv"
"$autograder/uv/bin/pip" install uv
export UV_PYTHON_INSTALL_DIR="$autograder/uv/python" UV_NO_CACHE=1
cd "$autograder/source"
"$autograder/uv/bin/uv" venv "$autograder/python"
"$autograder/uv/bin/uv" pip install --python "$autograder/python" -r requirements.txt

#!/usr/bin/env bash
# Makes .venv and installs a requirements file into it; does nothing when that was done already.
# usage: backend/setup.sh PYTHON REQUIREMENTS
# PAGES=no leaves out the pages that show the interface, which come from npm's registry.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
requirements=$2

fail() { echo "setup: $1" >&2; echo "  -> $2" >&2; exit 1; }

# A pyenv shim answers only for the versions that pyenv has switched on.
if ! "$python" --version >/dev/null 2>&1 && command -v pyenv >/dev/null 2>&1; then
    found=$(find "$(pyenv root)/versions" -maxdepth 3 -path "*/bin/$(basename "$python")" 2>/dev/null | sort -V | tail -n 1)
    python=${found:-$python}
fi
"$python" --version >/dev/null 2>&1 || fail "no interpreter $python" "install Python 3.11 or newer, or name one: PYTHON=python3.12 make ..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11" "name a newer one: PYTHON=python3.12 make ..."

version=$("$python" -c 'import platform; print(platform.python_version())')
stamp="$version $(cat requirements*.txt constraints.txt | sha256sum | cut -d ' ' -f 1)"

install_pages() {
    [ "${PAGES:-yes}" = no ] && return
    wanted=$(sha256sum backend/src/web/docs/npm/package-lock.json | cut -d ' ' -f 1)
    grep -qs "$wanted" .venv/share/larder/pages/manifest.json && return
    .venv/bin/python -m backend.src pages >/dev/null || fail "the pages could not be installed" "see above; to go on without them: PAGES=no make ..."
}

if [ "$(cat ".venv/installed.$requirements" 2>/dev/null)" = "$stamp" ]; then
    install_pages
    exit 0
fi

if [ "$(.venv/bin/python -c 'import platform; print(platform.python_version())' 2>/dev/null)" != "$version" ]; then
    echo "setup: making a virtual environment with Python $version"
    rm -rf .venv
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$python cannot make a virtual environment" "as root: apt-get install python3-venv"
        echo "setup: installing python3-venv"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv .venv
    fi
fi

echo "setup: installing $requirements (a minute or two the first time)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off -r "$requirements" -r requirements.pages.txt 2>"$log.err" | tee "$log" |
    awk '/^Collecting /{printf "  %3d  %s\n", ++n, $2; fflush()} /^Installing collected/{print "  writing them to .venv"; fflush()}' ||
    { tail -n 5 "$log" "$log.err" >&2; rm -f "$log.err"; fail "the packages could not be installed" "check the network and the package index, then try again"; }
rm -f "$log.err"
echo "$stamp" >.venv/installed.requirements.txt
echo "$stamp" >".venv/installed.$requirements"
install_pages

#!/usr/bin/env bash
# The tests run against real servers. As root on Debian this installs them; otherwise it says what is missing.
set -euo pipefail
missing=()
PATH=$PATH:/usr/sbin
command -v mariadbd >/dev/null || missing+=(mariadb-server)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the tests need servers that are not installed: ${missing[*]}" >&2
    echo "  -> as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}"
# Nothing is started as a service: the tests start their own, on free ports.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

#!/bin/sh
# Installs the Debian packages that the lab needs, or those of another list, without starting any of their services.
# Does nothing if all are there: install-packages.sh [LIST]
set -eu
list="${1:-$(dirname "$0")/packages.txt}"
missing=""
while read -r package; do
    if [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing="$missing $package"
    fi
done <"$list"
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "root is needed, to install:$missing" >&2; exit 1; }
echo "Installing Debian packages:$missing ..."
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Word splitting is wanted: one argument a package.
# shellcheck disable=SC2086
apt-get install -qq --yes --no-install-recommends $missing >/dev/null

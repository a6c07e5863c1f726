#!/bin/sh
# Installs Debian's blackbox exporter, without starting its service.
set -eu
[ "$(id -u)" = 0 ] || { echo "the bench needs root, to install prometheus-blackbox-exporter" >&2; exit 1; }
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes --no-install-recommends prometheus-blackbox-exporter >/dev/null

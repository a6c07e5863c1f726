#!/bin/bash
# Installs the Debian packages of packages.txt for the lab, and keeps them from starting any service here.
set -euo pipefail

list=$(dirname "$0")/packages.txt
policy=/usr/sbin/policy-rc.d

[[ $(id -u) -eq 0 ]] || { echo 'The lab needs root: it makes network namespaces and starts daemons in them.' >&2; exit 1; }
command -v apt-get >/dev/null || { echo 'The lab needs Debian: it talks to the daemons of its packages.' >&2; exit 1; }

mapfile -t wanted < <(sed -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$list")
missing=()
for package in "${wanted[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

echo "Installing ${missing[*]} ..."
log=$(mktemp)
saved=$(mktemp -d)
[[ ! -e $policy && ! -L $policy ]] || cp -a "$policy" "$saved/policy-rc.d"
restore() {
    rm -f "$policy"
    [[ ! -e $saved/policy-rc.d && ! -L $saved/policy-rc.d ]] || cp -a "$saved/policy-rc.d" "$policy"
    rm -rf "$saved" "$log"
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rm -f "$policy"
printf '#!/bin/sh\nexit 101\n' >"$policy"   # 101: the action is forbidden (invoke-rc.d(8))
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    exit 1
fi

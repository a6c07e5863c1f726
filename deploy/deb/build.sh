#!/bin/sh
# Builds dist/portwatchd_VERSION_ARCH.deb on Debian 12: a virtual environment of its Python, filled from the lock file.
# usage: build.sh VENV    where VENV has what requirements.lock and deploy/deb/requirements.lock name
set -eu
cd "$(dirname "$0")/../.."
bin=$(cd "$1/bin" && pwd)
python=/usr/bin/python3.11
command -v strip >/dev/null || { echo "strip is missing (Debian: apt-get install binutils)" >&2; exit 1; }
[ -x "$python" ] || { echo "the package is for Debian 12 and is built there: $python is missing" >&2; exit 1; }

VERSION=$("$bin/python" -c 'import portwatchd; print(portwatchd.__version__)')
ARCH=$(dpkg --print-architecture)
# The moment of the last commit, so that one commit makes one package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
# Whoever publishes the package says who answers for it; this one is nobody's address (RFC 2606).
MAINTAINER=${MAINTAINER:-"portwatchd maintainers <maintainers@portwatchd.invalid>"}
export VERSION ARCH SOURCE_DATE_EPOCH MAINTAINER
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

root=build/deb/root
home=usr/lib/portwatchd
site=$root/$home/lib/python3.11/site-packages
rm -rf build/deb
mkdir -p "$root/$home" dist

# The virtual environment, as if it had been made in its place.
"$python" -m venv --without-pip "$root/$home"
rm -f "$root/$home"/bin/[Aa]ctivate* "$root/$home/lib64" "$root/$home/.gitignore"
rmdir "$root/$home/include/python3.11" "$root/$home/include" 2>/dev/null || true
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n' >"$root/$home/pyvenv.cfg"
"$bin/python" -m pip --python "$root/$home/bin/python3.11" install -qq --no-compile --require-hashes --no-deps \
    -r requirements.lock
"$bin/python" -m pip wheel -qq --no-deps --no-build-isolation --wheel-dir build/deb/wheels .
"$bin/python" -m pip --python "$root/$home/bin/python3.11" install -qq --no-compile --no-deps --no-index \
    --find-links build/deb/wheels portwatchd
find "$root/$home/bin" -type f -delete
"$bin/python" deploy/deb/prune.py "$site"
cat >"$root/$home/bin/portwatchd" <<END
#!/$home/bin/python3 -sP
import sys

from portwatchd.__main__ import main

sys.exit(main())
END
chmod 755 "$root/$home/bin/portwatchd"
ln -sf ../../../bin/python3.11 "$root/$home/bin/python3.11"
find "$site" -name '*.so' -exec strip --strip-unneeded {} +

install -d "$root/usr/bin" "$root/usr/lib/sysusers.d" "$root/usr/lib/sysctl.d" "$root/lib/systemd/system" "$root/usr/share/man/man1" \
    "$root/usr/share/man/man5" "$root/usr/share/lintian/overrides" "$root/usr/share/doc/portwatchd/examples" \
    "$root/usr/share/doc/portwatchd/runbooks" "$root/usr/share/portwatchd/prometheus" "$root/usr/share/portwatchd/alertmanager"
ln -s ../lib/portwatchd/bin/portwatchd "$root/usr/bin/portwatchd"
install -m 644 systemd/portwatchd.service systemd/portwatchd@.service systemd/portwatchd.socket \
    "$root/lib/systemd/system"
install -m 644 systemd/portwatchd.sysusers.conf "$root/usr/lib/sysusers.d/portwatchd.conf"
install -m 644 systemd/portwatchd.sysctl.conf "$root/usr/lib/sysctl.d/50-portwatchd.conf"
install -m 644 systemd/portwatchd.service.d/web-config.conf.example "$root/usr/share/doc/portwatchd/examples/web-config.conf"
install -m 644 deploy/web-config.example.yml "$root/usr/share/doc/portwatchd/examples/web.yml"
install -m 644 deploy/runbooks/*.md "$root/usr/share/doc/portwatchd/runbooks"
install -m 644 deploy/prometheus/*.yml "$root/usr/share/portwatchd/prometheus"
install -m 644 deploy/alertmanager/*.yml deploy/alertmanager/*.tmpl "$root/usr/share/portwatchd/alertmanager"
for name in $(cd grafana && find dashboards provisioning quorum -type f); do
    install -D -m 644 "grafana/$name" "$root/usr/share/portwatchd/grafana/$name"
done
install -m 644 deploy/deb/lintian-overrides "$root/usr/share/lintian/overrides/portwatchd"
install -m 644 deploy/deb/copyright "$root/usr/share/doc/portwatchd/copyright"
install -m 644 README.md "$root/usr/share/doc/portwatchd/README.md"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/portwatchd/NEWS.gz"
gzip -9n <deploy/deb/portwatchd.1 >"$root/usr/share/man/man1/portwatchd.1.gz"
gzip -9n <deploy/deb/portwatchd.yml.5 >"$root/usr/share/man/man5/portwatchd.yml.5.gz"
gzip -9n >"$root/usr/share/doc/portwatchd/changelog.gz" <<END
portwatchd ($VERSION) stable; urgency=medium

  * What is new stands in NEWS.gz.

 -- $MAINTAINER  $(date --utc --date="@$SOURCE_DATE_EPOCH" --rfc-email)
END
find "$root" -type d -exec chmod 755 {} +

"$bin/nfpm" package --config deploy/deb/nfpm.yaml --packager deb --target "dist/portwatchd_${VERSION}_$ARCH.deb" >/dev/null
echo "dist/portwatchd_${VERSION}_$ARCH.deb"

# shellcheck shell=bash
# Sourced by the scripts in tools/: where things are, and the environment that Deno needs.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=tools/versions.env
source "$root/tools/versions.env"

# Everything fetched or built once lives outside the clone, named by its version.
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-on-deno}
deno=$cache/deno-$DENO_VERSION/deno
http2_deno=$cache/deno-$HTTP2_DENO_VERSION/deno
denort=$cache/denort-$DENO_VERSION/denort
vhost_device_vsock=$cache/vhost-device-vsock-$VHOST_DEVICE_VSOCK_VERSION/bin/vhost-device-vsock
virtiofsd=$cache/virtiofsd-$VIRTIOFSD_VERSION/bin/virtiofsd

export KATA_CACHE=$cache
export DENO_DIR=$cache/deno-dir
export DENO_NO_UPDATE_CHECK=1
export RUST_BACKTRACE=0 # of Deno itself: its messages say enough
# Both lists: Deno's own and the machine's, so that a company's proxy certificate is accepted too.
export DENO_TLS_CA_STORE=mozilla,system
[ ! -x "$denort" ] || export DENORT_BIN=$denort
[ ! -x "$vhost_device_vsock" ] || export PATH=$PATH:${vhost_device_vsock%/*}

[ ! -x "$virtiofsd" ] || export PATH=$PATH:${virtiofsd%/*}

step() { printf '== %s\n' "$*" >&2; }
note() { printf '   %s\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# stops unless FILE has the SHA-256 that tools/versions.env names
verify() { # FILE SHA256 WHAT
  local found
  found=$(sha256sum "$1") || die "cannot read $1"
  [ "${found%% *}" = "$2" ] ||
    die "wrong hash: $3" "expected $2" "found    ${found%% *}" "Nothing was installed. tools/versions.env names what is expected."
}

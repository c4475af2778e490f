# shellcheck shell=bash
# Sourced by tools/setup: programs in Rust that tests use, built by cargo. Without one of them everything else still works;
# its own tests are then skipped.

build_crate() { # NAME VERSION
  CARGO_TARGET_DIR=$scratch/target cargo install -q --locked --root "$scratch/crate" --version "=$2" "$1"
}

# where cargo keeps what it downloaded
crate_archive() { # NAME VERSION
  find "${CARGO_HOME:-$HOME/.cargo}/registry/cache" -name "$1-$2.crate" -print -quit
}

install_rust() {
  command -v cargo >/dev/null && return
  step "cargo: installing Debian's Rust"
  # shellcheck disable=SC2086
  install_packages $DEBIAN_RUST
}

setup_crate() { # NAME VERSION SHA256 PROGRAM UNTESTED PACKAGES
  local what="$1 $2" program=$4
  if [ -x "$program" ]; then step "$what: present"; return; fi
  install_rust || { note "skipped: no cargo, and no package for it; $5 stay untested"; return; }
  # shellcheck disable=SC2086
  [ -z "$6" ] || install_packages $6 || { note "skipped: cannot install $6; $5 stay untested"; return; }
  step "$what: building (a few minutes, once)"
  rm -rf "$scratch/crate"
  build_crate "$1" "$2" >"$scratch/crate.log" 2>&1 || {
    note "skipped: $(grep -m 1 ^error "$scratch/crate.log"); $5 stay untested"
    return
  }
  verify "$(crate_archive "$1" "$2")" "$3" "$what"
  mv -T "$scratch/crate" "${program%/bin/*}"
}

# real AF_VSOCK for QEMU guests without help from the host's kernel
setup_vsock() {
  setup_crate vhost-device-vsock "$VHOST_DEVICE_VSOCK_VERSION" "$VHOST_DEVICE_VSOCK_SHA256" "$vhost_device_vsock" \
    "transports over AF_VSOCK" ""
}

# virtio-fs as QEMU 8 and later have it; QEMU 7.2 brings the older program in C
setup_virtiofsd() {
  setup_crate virtiofsd "$VIRTIOFSD_VERSION" "$VIRTIOFSD_SHA256" "$virtiofsd" "shares by virtiofsd in Rust" \
    "libcap-ng-dev libseccomp-dev"
}

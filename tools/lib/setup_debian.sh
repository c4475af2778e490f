# shellcheck shell=bash
# Sourced by tools/setup: Debian packages.

# prints those of the given packages that are not installed
missing_packages() {
  local have
  have=" $(dpkg-query -W -f='${Package}:${db:Status-Status} ' "$@" 2>/dev/null || true) "
  local package
  for package in "$@"; do
    case "$have" in *" $package:installed "*) ;; *) printf '%s ' "$package" ;; esac
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@"
}

# installs packages; the lists are fetched only when the first try fails
install_packages() {
  apt_install "$@" >"$scratch/apt.log" 2>&1 && return
  note "refreshing the package lists"
  as_root apt-get update -q >"$scratch/apt-update.log" 2>&1 || note "$(tail -n 1 "$scratch/apt-update.log")"
  apt_install "$@" >"$scratch/apt.log" 2>&1
}

setup_debian() {
  command -v dpkg-query >/dev/null || die "this is no Debian system" \
    "install the equivalents of: $DEBIAN_ENGINE $DEBIAN_CLI_ENGINES $DEBIAN_BUILD"
  local missing
  # shellcheck disable=SC2086 # lists of words
  missing=$(missing_packages $DEBIAN_ENGINE $DEBIAN_CLI_ENGINES $DEBIAN_BUILD)
  [ -n "$missing" ] || { step "Debian packages: present"; return; }
  step "Debian packages: installing $missing"
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || die "not root, and sudo wants a password" "missing packages: $missing"
  # shellcheck disable=SC2086
  install_packages $missing || die "could not install Debian packages: $missing" "$(tail -n 3 "$scratch/apt.log")"
}

# Sourced by ./hatchery and ./test: finds or installs the .NET SDK and Debian packages. Prints nothing when all is there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 MSBUILDDISABLENODEREUSE=1

say() { printf '%s\n' "$*" >&2; }

have_sdk() { "$1" --list-sdks 2>/dev/null | grep -q '^10\.'; }

ensure_sdk() {
  if command -v dotnet >/dev/null && have_sdk dotnet; then return; fi
  if [ -x .dotnet/dotnet ] && have_sdk .dotnet/dotnet; then
    export DOTNET_ROOT="$root/.dotnet" PATH="$root/.dotnet:$PATH"
    return
  fi
  say "No .NET 10 SDK found: installing it into .dotnet/ of this checkout."
  need_packages curl ca-certificates libicu-dev
  local script
  script=$(mktemp)
  if ! curl -fsSL https://dot.net/v1/dotnet-install.sh -o "$script" || ! bash "$script" --channel 10.0 --install-dir .dotnet >&2; then
    rm -f "$script"
    say "The .NET 10 SDK could not be fetched. Install it (https://dot.net/download, or your distribution's dotnet-sdk-10.0) and run this again."
    exit 1
  fi
  rm -f "$script"
  export DOTNET_ROOT="$root/.dotnet" PATH="$root/.dotnet:$PATH"
}

# need_packages NAME...: Debian packages, installed if missing.
need_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      say "These packages are needed and only root may install them: ${missing[*]}"
      exit 1
    fi
    sudo=(sudo)
  fi
  say "Installing packages: ${missing[*]}"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1 || true
  if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    say "These packages could not be installed: ${missing[*]}. Try: apt-get install ${missing[*]}"
    exit 1
  fi
}

# Three tries: a restore that says that a package does not exist may be a passing fault.
restore() {
  local log
  log=$(mktemp)
  for _ in 1 2 3; do
    if dotnet restore "$1" -v quiet >"$log" 2>&1; then rm -f "$log"; return; fi
  done
  cat "$log" >&2
  rm -f "$log"
  say "The packages could not be restored."
  exit 1
}

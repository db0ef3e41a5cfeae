#!/bin/sh
# What people see in a browser is tested in Debian's Chromium. It is installed where this user may, by apt-get; elsewhere those tests do not run.
# CHROMIUM names a browser that is installed elsewhere; CHROMIUM=none installs nothing.
say() { echo "Chromium: $*" >&2; }
missing() {
  say "$* What people see in a browser is NOT tested."
  exit 0
}
[ "${CHROMIUM:-}" = none ] && missing 'CHROMIUM=none, so it is neither installed nor used.'
[ -x "${CHROMIUM:-}" ] && exit 0
for browser in /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do [ -x "$browser" ] && exit 0; done
command -v apt-get >/dev/null || missing 'not installed, and there is no apt-get to install it with.'
[ "$(id -u)" = 0 ] || missing 'not installed, and only root may install it (apt-get install chromium).'
say 'not installed; apt-get installs it now. CHROMIUM=none prevents that.'
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || missing 'it could not be installed.'

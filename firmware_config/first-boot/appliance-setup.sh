#!/bin/sh
# Makes the machine the appliance from what lies on the boot partition; started once, by user-data. Safe to run again.
#   appliance_*.deb          the appliance itself, made by `make deb`
#   appliance.toml, home.yaml, asound.conf, mqtt-password, microphone.txt    yours, each optional
# ROOT and BOOT stand for the folders of the machine in tests.
set -eu
root=${ROOT:-}
boot=${BOOT:-/boot/firmware}

say() { echo "appliance-setup: $*" >&2; }

package=$(find "$boot" -maxdepth 1 -name 'appliance_*.deb' | sort | tail -n 1)
[ -n "$package" ] || { say "there is no appliance_*.deb in $boot; put it there and start this again"; exit 1; }

# Settings first: the service starts with them. What the owner has on the machine already is left alone.
install -d -m 755 "$root/etc/appliance"
for name in appliance.toml home.yaml; do
    if [ -f "$boot/$name" ] && [ ! -e "$root/etc/appliance/$name" ]; then
        install -m 644 "$boot/$name" "$root/etc/appliance/$name"
        say "took over $name"
    fi
done
if [ -f "$boot/asound.conf" ] && [ ! -e "$root/etc/asound.conf" ]; then
    install -m 644 "$boot/asound.conf" "$root/etc/asound.conf"
    say "took over asound.conf"
fi
if [ -f "$boot/mqtt-password" ]; then
    install -d -m 700 "$root/etc/credstore"
    install -m 600 "$boot/mqtt-password" "$root/etc/credstore/appliance.mqtt-password"
    rm "$boot/mqtt-password" # whoever takes the card out may read this partition
    say "took over mqtt-password, and removed it from $boot"
fi

restart=no
if [ -f "$boot/microphone.txt" ] && ! grep -q '^# appliance: microphone' "$boot/config.txt"; then
    { echo; echo '# appliance: microphone'; cat "$boot/microphone.txt"; } >> "$boot/config.txt"
    restart=yes
    say "added microphone.txt to config.txt"
fi

DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"

files=$root/opt/appliance/current/firmware_config/machine
install -D -m 644 "$files/85-appliance-sound.rules" "$root/etc/udev/rules.d/85-appliance-sound.rules"
install -D -m 644 "$files/journald.conf" "$root/etc/systemd/journald.conf.d/appliance.conf"
install -D -m 644 "$files/cpu.conf" "$root/etc/tmpfiles.d/appliance-cpu.conf"

if [ "$restart" = yes ]; then
    say "restarting, so that the microphone is found"
    systemctl --no-block reboot
else
    systemctl restart systemd-journald
    systemd-tmpfiles --create "$root/etc/tmpfiles.d/appliance-cpu.conf" || say "no governor can be set here"
    say "done: systemctl status appliance"
fi

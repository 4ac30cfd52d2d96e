# Makes the mediation application on app1; run there as root, with app.py and files.py beside it.
here=$(dirname "$0")
getent group archive > /dev/null || groupadd --system archive
id mediation > /dev/null 2>&1 || useradd --system --home-dir /srv/mediation --shell /usr/sbin/nologin mediation
systemctl stop mediation-app.service 2> /dev/null || :
install -d -o mediation -g mediation /srv/mediation
install -d /srv/mediation/bin /srv/mediation/etc
install -m 0755 "$here/app.py" /srv/mediation/bin/app.py
cat > /srv/mediation/etc/app.conf <<'CONF'
APP_ADDRESS=0.0.0.0
APP_PORT=8080
CONF
python3 "$here/files.py" mediation
# Rotated logs of four ages, the newest still written to.
install -d -o mediation -g mediation /var/log/mediation
for days in 0 5 40 80; do
    name=/var/log/mediation/mediation.log
    [ "$days" = 0 ] || name=$name.$days
    seq -f "request %.0f answered" 20000 > "$name"
    chown mediation:mediation "$name"
    touch -d "$days days ago" "$name"
done
cat > /etc/systemd/system/mediation-app.service <<'UNIT'
[Unit]
Description=People's mediation application
After=network.target
[Service]
User=mediation
EnvironmentFile=/srv/mediation/etc/app.conf
ExecStart=/usr/bin/python3 /srv/mediation/bin/app.py
Restart=on-failure
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --quiet --now mediation-app.service

# Makes the portal's files on legacy1, with the only Python it has; run there as root, with files.py beside it.
getent group archive > /dev/null || groupadd --system archive
id portal > /dev/null 2>&1 || useradd --system --home-dir /srv/portal --shell /usr/sbin/nologin portal
install -d -o portal -g portal /srv/portal
/usr/bin/python2.7 "$(dirname "$0")/files.py" portal
# Rotated logs and old copies of four ages, as Tomcat and an operator leave them.
install -d -o portal -g portal /opt/tomcat /opt/tomcat/logs /opt/tomcat/saved
for days in 0 5 40 120; do
    for name in logs/localhost.$(date -d "$days days ago" +%F).log saved/portal-$days.tar.gz; do
        seq -f "request %.0f answered" 20000 > "/opt/tomcat/$name"
        chown portal:portal "/opt/tomcat/$name"
        touch -d "$days days ago" "/opt/tomcat/$name"
    done
done

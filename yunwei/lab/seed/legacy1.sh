# Makes the portal's files on legacy1, with the only Python it has; run there as root, with files.py beside it.
getent group archive > /dev/null || groupadd --system archive
id portal > /dev/null 2>&1 || useradd --system --home-dir /srv/portal --shell /usr/sbin/nologin portal
install -d -o portal -g portal /srv/portal
/usr/bin/python2.7 "$(dirname "$0")/files.py" portal

# Makes the cluster of db1 and both databases; run on db1 as root, with the SQL files beside it.
# ADDRESS is db1's own address, APPLICATION that of app1: nobody else gets a line in pg_hba.conf.
# PERCENT of the full number of rows is made where there are many.
here=$(dirname "$0")
if ! pg_lsclusters -h | grep -q '^15 *main '; then
    pg_createcluster 15 main --locale C.UTF-8 --encoding UTF8 > /dev/null
fi
setting() { pg_conftool 15 main set "$1" "$2"; }
setting listen_addresses "localhost,$ADDRESS"
setting max_wal_size 2GB
setting shared_buffers 256MB
setting log_line_prefix '%m [%p] %q%u@%d '
hba=/etc/postgresql/15/main/pg_hba.conf
grep -q 'mediation_app' $hba || echo "host mediation mediation_app $APPLICATION/32 trust" >> $hba
systemctl enable --quiet postgresql.service
systemctl restart postgresql@15-main.service

as_postgres() { runuser -u postgres -- psql --no-psqlrc --quiet --output /dev/null --set percent="$PERCENT" "$@"; }
as_postgres -d postgres < "$here/roles.sql"
make_database() {
    as_postgres -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)"
    as_postgres -d postgres -c "CREATE DATABASE $1 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' OWNER $2"
}
make_database mediation mediation_owner
make_database legalservice legal_owner
as_postgres -d legalservice < "$here/legalservice.sql" &
legal=$!
cat "$here/mediation_schema.sql" "$here/mediation_data.sql" "$here/mediation_after.sql" | as_postgres -d mediation
wait $legal

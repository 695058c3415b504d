use pluvio_model::spec::DatabaseEngine;

use super::ADMIN;

/// How the programs below say what is wrong.
pub const NOT_EMPTY: i64 = 41;
/// It is no dump of this engine.
pub const NO_DUMP: i64 = 42;
/// Less (or more) arrived than was sent.
pub const SHORT: i64 = 43;

/// How a dump is put into a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restore {
    /// Replace what is there; without, a database that holds something is refused.
    pub replace: bool,
    /// So many bytes are sent: nothing is begun unless they all arrived.
    pub bytes: Option<u64>,
}

const POSTGRES_COUNT: &str = "psql -XAtc \"SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')\"";
const MARIADB_COUNT: &str = "mariadb --defaults-file=/run/pluvio/client.cnf -Ne \"SELECT count(*) FROM information_schema.tables WHERE table_schema = '$MARIADB_DATABASE'\"";

/// Ends with 0 when the database is empty, with [`NOT_EMPTY`] when it is not.
pub fn holds_data(engine: DatabaseEngine) -> String {
    match engine {
        DatabaseEngine::Postgres => format!(
            "set -eu; export PGUSER=\"$POSTGRES_USER\" PGDATABASE=\"$POSTGRES_DB\"; count=$({POSTGRES_COUNT}); [ \"$count\" = 0 ] || exit {NOT_EMPTY}"
        ),
        DatabaseEngine::Mariadb => {
            format!("set -eu; count=$({MARIADB_COUNT}); [ \"$count\" = 0 ] || exit {NOT_EMPTY}")
        }
        DatabaseEngine::Redis => format!(
            "set -eu; REDISCLI_AUTH=$(cat /run/pluvio/password); export REDISCLI_AUTH; count=$(redis-cli info keyspace | grep -c '^db' || true); [ \"$count\" = 0 ] || exit {NOT_EMPTY}"
        ),
    }
}

/// Looks first, then takes the whole dump into a file, and begins only when its end is there: a broken connection changes
/// nothing. What fails leaves the data that were there:
///
/// PostgreSQL takes all of it in one transaction. MariaDB, which cannot, takes it into a database beside, and when that has
/// succeeded the tables change places in one statement; views, triggers and routines follow. Redis follows a second server
/// that holds the dump, as a replica does, which replaces its data at once.
pub fn restore(engine: DatabaseEngine, how: Restore) -> String {
    let sent = match how.bytes {
        Some(bytes) => {
            format!("[ \"$(wc -c <\"$data\")\" -eq {bytes} ] || exit {SHORT}")
        }
        None => ":".to_owned(),
    };
    let taken = format!("data=$(mktemp); trap 'rm -f \"$data\"' EXIT; cat >\"$data\"; {sent}");
    let look = match how.replace {
        true => String::new(),
        false => format!("( {} )", holds_data(engine)),
    };
    match engine {
        DatabaseEngine::Postgres => {
            // Every schema goes, with the large objects that belong to none; roles and their rights stay.
            let clear = if how.replace {
                "-c \"DO \\$\\$ DECLARE one record; BEGIN FOR one IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', one.nspname); END LOOP; PERFORM lo_unlink(oid) FROM pg_largeobject_metadata; END \\$\\$\" -c 'CREATE SCHEMA public'"
            } else {
                ""
            };
            format!(
                "set -eu; export PGUSER=\"$POSTGRES_USER\" PGDATABASE=\"$POSTGRES_DB\"
{look}
{taken}
tail -c 1000 \"$data\" | grep -q 'PostgreSQL database dump complete' || exit {NO_DUMP}
psql -X -q -v ON_ERROR_STOP=1 -v VERBOSITY=terse --single-transaction {clear} -f \"$data\" 2>&1 >/dev/null"
            )
        }
        DatabaseEngine::Mariadb => format!(
            "set -eu
{ADMIN}
{look}
{taken}
tail -c 1000 \"$data\" | grep -q '^-- Dump completed' || exit {NO_DUMP}
{MARIADB_SWAP}"
        ),
        DatabaseEngine::Redis => format!(
            "set -eu; REDISCLI_AUTH=$(cat /run/pluvio/password); export REDISCLI_AUTH
{look}
folder=$(mktemp -d); second=; trap 'test -z \"$second\" || kill \"$second\"; rm -rf \"$folder\"' EXIT
data=\"$folder/dump.rdb\"; cat >\"$data\"; {sent}
redis-check-rdb \"$data\" >/dev/null 2>&1 || exit {NO_DUMP}
printf 'port 16379\\nbind 127.0.0.1\\ndir %s\\nsave \"\"\\nrequirepass %s\\n' \"$folder\" \"$REDISCLI_AUTH\" | redis-server - >\"$folder/said\" 2>&1 & second=$!
until [ \"$(redis-cli -p 16379 ping 2>/dev/null)\" = PONG ]; do kill -0 \"$second\" || {{ cat \"$folder/said\"; exit 1; }}; sleep 0.2; done
printf %s \"$REDISCLI_AUTH\" | redis-cli -x config set masterauth >/dev/null
redis-cli replicaof 127.0.0.1 16379 >/dev/null
until redis-cli info replication | grep -q '^master_link_status:up'; do kill -0 \"$second\"; sleep 0.2; done
redis-cli replicaof no one >/dev/null
redis-cli config set masterauth '' >/dev/null"
        ),
    }
}

/// `data` is the dump. Everything it holds is tried in a database beside; what fails there has touched nothing. Then the
/// triggers and views, which do not move with tables, go from both, the tables change places in one statement, and what the
/// dump has of triggers, views and routines is made anew. Should that fail, the tables change back and the old ones are made anew.
const MARIADB_SWAP: &str = r#"now=$MARIADB_DATABASE new=pluvio_restore old=pluvio_before
work=$(mktemp -d); trap 'rm -rf "$data" "$work"' EXIT
for one in $new $old; do
  admin -e "DROP DATABASE IF EXISTS \`$one\`"
  admin -Ne "SELECT CONCAT('CREATE DATABASE \`', '$one', '\` CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name) FROM information_schema.schemata WHERE schema_name = '$now'" >"$work/make.sql"
  admin <"$work/make.sql"
done
away() { admin -e "DROP DATABASE IF EXISTS \`$new\`; DROP DATABASE IF EXISTS \`$old\`"; }
if ! admin $new <"$data" >"$work/said" 2>&1; then cat "$work/said"; away; exit 1; fi
objects() { mariadb-dump $as --no-create-info --no-data --no-create-db --skip-opt --routines --triggers --events --no-tablespaces "$1" >"$2"
  admin -N --raw -e "SELECT CONCAT('CREATE OR REPLACE VIEW \`', REPLACE(table_name, '\`', '\`\`'), '\` AS ', REPLACE(view_definition, '\`$1\`.', ''), ';') FROM information_schema.views WHERE table_schema = '$1'" >"$2.views"; }
objects $new "$work/new.sql"; objects "$now" "$work/old.sql"
drops() { admin -N --raw -e "SELECT CONCAT('DROP TRIGGER \`$1\`.\`', REPLACE(trigger_name, '\`', '\`\`'), '\`;') FROM information_schema.triggers WHERE trigger_schema = '$1' UNION ALL SELECT CONCAT('DROP VIEW \`$1\`.\`', REPLACE(table_name, '\`', '\`\`'), '\`;') FROM information_schema.views WHERE table_schema = '$1' UNION ALL SELECT CONCAT('DROP ', routine_type, ' \`$1\`.\`', REPLACE(routine_name, '\`', '\`\`'), '\`;') FROM information_schema.routines WHERE routine_schema = '$1' UNION ALL SELECT CONCAT('DROP EVENT IF EXISTS \`$1\`.\`', REPLACE(event_name, '\`', '\`\`'), '\`;') FROM information_schema.events WHERE event_schema = '$1'"; }
# The tables of $1 to $2, those of $2 to $3: the latter first.
moves() { admin -N --raw -e "SET SESSION group_concat_max_len = 1073741824; SELECT CONCAT('RENAME TABLE ', GROUP_CONCAT(CONCAT('\`', table_schema, '\`.\`', REPLACE(table_name, '\`', '\`\`'), '\` TO \`', IF(table_schema = '$2', '$3', '$2'), '\`.\`', REPLACE(table_name, '\`', '\`\`'), '\`') ORDER BY table_schema = '$1' SEPARATOR ', '), ';') FROM information_schema.tables WHERE table_schema IN ('$1', '$2') AND table_type <> 'VIEW' HAVING COUNT(*) > 0"; }
# A view may need one that comes later: again, until none is missing.
load() { admin "$now" <"$1" || return 1
  tries=0
  while [ -s "$1.views" ]; do
    mariadb --defaults-file=/run/pluvio/client.cnf --default-character-set=utf8mb4 --force "$now" <"$1.views" >"$work/said" 2>&1 || true
    grep -q ERROR "$work/said" || break
    tries=$((tries + 1)); [ $tries -lt 20 ] || { cat "$work/said"; return 1; }
  done; }
drops $new >"$work/drop.sql"; drops "$now" >>"$work/drop.sql"
moves $new "$now" $old >"$work/there.sql"
# What was not dropped is there already: only the rest is made anew.
if ! admin <"$work/drop.sql" >"$work/why" 2>&1; then
  cat "$work/why"; admin --force "$now" <"$work/old.sql" >/dev/null 2>&1 || true
  : >"$work/old.sql"; load "$work/old.sql" || true; away; exit 1
fi
if ! admin <"$work/there.sql" >"$work/why" 2>&1; then cat "$work/why"; load "$work/old.sql"; away; exit 1; fi
if ! load "$work/new.sql" >"$work/why" 2>&1; then
  cat "$work/why"; drops "$now" >"$work/drop.sql"; admin <"$work/drop.sql"
  moves $old "$now" $new >"$work/back.sql"; admin <"$work/back.sql"; load "$work/old.sql"; away; exit 1
fi
away"#;

use pluvio_model::spec::DatabaseEngine;

/// The engine's own shell.
pub fn shell(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => "exec psql -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\"",
        DatabaseEngine::Redis => "REDISCLI_AUTH=$(cat /run/pluvio/password) exec redis-cli",
        DatabaseEngine::Mariadb => {
            // Else the client takes what it is sent for Latin-1.
            "exec mariadb --defaults-file=/run/pluvio/client.cnf --default-character-set=utf8mb4 \"$MARIADB_DATABASE\""
        }
    }
}

/// Writes all data to standard output. What the program complains of goes to standard error, and only when it failed.
pub fn dump(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => {
            "said=$(mktemp) && { pg_dump -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" --no-owner --no-privileges 2>\"$said\" || { code=$?; cat \"$said\" >&2; rm \"$said\"; exit $code; }; rm \"$said\"; }"
        }
        DatabaseEngine::Redis => {
            "said=$(mktemp) && { REDISCLI_AUTH=$(cat /run/pluvio/password) redis-cli --rdb \"$said.rdb\" >\"$said\" 2>&1 && cat \"$said.rdb\" && rm \"$said.rdb\" || { code=$?; cat \"$said\" >&2; rm -f \"$said\" \"$said.rdb\"; exit $code; }; rm \"$said\"; }"
        }
        DatabaseEngine::Mariadb => {
            "said=$(mktemp) && { mariadb-dump --defaults-file=/run/pluvio/client.cnf --single-transaction --routines --triggers --events --no-tablespaces \"$MARIADB_DATABASE\" 2>\"$said\" || { code=$?; cat \"$said\" >&2; rm \"$said\"; exit $code; }; rm \"$said\"; }"
        }
    }
}

/// Whether something that begins and ends like this is a dump of the engine from its beginning to its end.
pub fn is_whole(engine: DatabaseEngine, head: &[u8], tail: &[u8]) -> bool {
    let has = |text: &str| {
        let text = text.as_bytes();
        tail.windows(text.len()).any(|window| window == text)
    };
    match engine {
        DatabaseEngine::Postgres => has("PostgreSQL database dump complete"),
        DatabaseEngine::Mariadb => has("-- Dump completed"),
        // The end of the file is a mark, then a checksum of eight bytes.
        DatabaseEngine::Redis => {
            head.starts_with(b"REDIS") && tail.len() > 9 && tail[tail.len() - 9] == 0xff
        }
    }
}

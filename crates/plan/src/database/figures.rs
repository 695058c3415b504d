use pluvio_model::database::{DatabaseFigures, SlowStatement};
use pluvio_model::spec::DatabaseEngine;

/// Between the two looks that a rate is made of, in seconds.
const APART: f64 = 1.0;

/// Looks twice, a second apart, and writes `KEY VALUE` lines; what takes longest as `slow MILLISECONDS|USER|TEXT`.
pub fn figures(engine: DatabaseEngine) -> String {
    match engine {
        DatabaseEngine::Postgres => format!(
            "set -eu; export PGUSER=\"$POSTGRES_USER\" PGDATABASE=\"$POSTGRES_DB\" PGAPPNAME=pluvio
count() {{ psql -XAtc \"SELECT '$1 ' || sum(xact_commit + xact_rollback) FROM pg_stat_database\"; }}
count before
psql -XAt <<'SQL'
SELECT 'version ' || current_setting('server_version');
SELECT 'uptime ' || extract(epoch FROM now() - pg_postmaster_start_time())::bigint;
SELECT 'size ' || pg_database_size(current_database());
SELECT 'objects ' || count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';
SELECT 'connections ' || count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
SELECT 'limit ' || current_setting('max_connections');
SELECT 'hits ' || coalesce(sum(blks_hit), 0) FROM pg_stat_database WHERE datname = current_database();
SELECT 'reads ' || coalesce(sum(blks_hit + blks_read), 0) FROM pg_stat_database WHERE datname = current_database();
SELECT 'slow ' || round(extract(epoch FROM clock_timestamp() - query_start) * 1000) || '|' || coalesce(usename, '') || '|' || left(regexp_replace(query, '\\s+', ' ', 'g'), 200) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY query_start LIMIT 5;
SQL
sleep {APART}; count after"
        ),
        DatabaseEngine::Mariadb => format!(
            "set -eu; run() {{ mariadb --defaults-file=/run/pluvio/client.cnf -N --batch --raw \"$MARIADB_DATABASE\" \"$@\"; }}
run -e \"SELECT CONCAT('before ', variable_value) FROM information_schema.global_status WHERE variable_name = 'QUESTIONS'\"
run <<'SQL'
SELECT CONCAT('version ', VERSION());
SELECT CONCAT('size ', COALESCE(SUM(data_length + index_length), 0)) FROM information_schema.tables WHERE table_schema = DATABASE();
SELECT CONCAT('objects ', COUNT(*)) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE';
SELECT CONCAT(CASE variable_name WHEN 'UPTIME' THEN 'uptime' WHEN 'THREADS_CONNECTED' THEN 'others' WHEN 'INNODB_BUFFER_POOL_READ_REQUESTS' THEN 'reads' ELSE 'misses' END, ' ', variable_value) FROM information_schema.global_status WHERE variable_name IN ('UPTIME', 'THREADS_CONNECTED', 'INNODB_BUFFER_POOL_READ_REQUESTS', 'INNODB_BUFFER_POOL_READS');
SELECT CONCAT('limit ', @@max_connections);
SELECT CONCAT('slow ', ROUND(time_ms), '|', user, '|', LEFT(REPLACE(REPLACE(info, '\\n', ' '), '\\r', ' '), 200)) FROM information_schema.processlist WHERE info IS NOT NULL AND id <> CONNECTION_ID() ORDER BY time_ms DESC LIMIT 5;
SQL
sleep {APART}; run -e \"SELECT CONCAT('after ', variable_value) FROM information_schema.global_status WHERE variable_name = 'QUESTIONS'\""
        ),
        DatabaseEngine::Redis => format!(
            "set -eu; REDISCLI_AUTH=$(cat /run/pluvio/password); export REDISCLI_AUTH
look() {{ redis-cli info all | tr -d '\\r'; }}
first=$(look)
of() {{ printf '%s\\n' \"$first\" | sed -n \"s/^$1:\\(.*\\)/$2 \\1/p\"; }}
of redis_version version; of uptime_in_seconds uptime; of used_memory size; of connected_clients others; of maxclients limit
of keyspace_hits hits; of keyspace_misses misses; of total_commands_processed before
printf '%s\\n' \"$first\" | sed -n 's/^db[0-9]*:keys=\\([0-9]*\\).*/keys \\1/p'
redis-cli --json slowlog get 5 2>/dev/null | tr -d '\\n' | sed 's/^/slowlog /' || true; echo
sleep {APART}; look | sed -n 's/^total_commands_processed:\\(.*\\)/after \\1/p'"
        ),
    }
}

/// Reads what [`figures`] wrote; what cannot be read is left out.
pub fn read_figures(engine: DatabaseEngine, text: &str) -> DatabaseFigures {
    let mut read = DatabaseFigures::default();
    let (mut before, mut after) = (None, None);
    let (mut hits, mut misses, mut reads) = (None, None, None);
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else {
            continue;
        };
        let number = || value.trim().parse::<u64>().ok();
        match key {
            "version" => read.version = Some(value.trim().to_owned()),
            "uptime" => read.uptime_seconds = number(),
            "size" => read.size_bytes = number(),
            "objects" => read.objects = number(),
            "keys" => read.objects = Some(read.objects.unwrap_or(0) + number().unwrap_or(0)),
            "connections" => read.connections = number(),
            // The look itself is one.
            "others" => read.connections = number().map(|count| count.saturating_sub(1)),
            "limit" => read.connections_limit = number(),
            "hits" => hits = number(),
            "misses" => misses = number(),
            "reads" => reads = number(),
            "before" => before = number(),
            "after" => after = number(),
            "slow" => read.slowest.extend(slow(value)),
            "slowlog" => read.slowest = slow_log(value),
            _ => {}
        }
    }
    if engine == DatabaseEngine::Redis {
        read.objects.get_or_insert(0);
        reads = hits.zip(misses).map(|(hits, misses)| hits + misses);
    }
    let hits = hits.or_else(|| Some(reads?.saturating_sub(misses?)));
    if let (Some(hits), Some(reads @ 1..)) = (hits, reads) {
        read.hit_ratio = Some((hits as f64 / reads as f64).clamp(0.0, 1.0));
    }
    if let (Some(before), Some(after)) = (before, after) {
        // The look's own statements are among them.
        let own = if engine == DatabaseEngine::Postgres {
            9
        } else {
            1
        };
        read.per_second = Some(after.saturating_sub(before).saturating_sub(own) as f64 / APART);
    }
    read
}

fn slow(value: &str) -> Option<SlowStatement> {
    let mut parts = value.splitn(3, '|');
    Some(SlowStatement {
        milliseconds: parts.next()?.trim().parse().ok()?,
        user: parts.next()?.to_owned(),
        text: parts.next()?.to_owned(),
    })
}

/// `[[id, time, microseconds, [word, …], client, name], …]`
fn slow_log(value: &str) -> Vec<SlowStatement> {
    let entries: Vec<serde_json::Value> = serde_json::from_str(value).unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        let words = entry[3].as_array()?.iter().filter_map(|word| word.as_str());
        let text = words.collect::<Vec<_>>().join(" ");
        Some(SlowStatement {
            milliseconds: entry[2].as_f64()? / 1000.0,
            user: entry[4].as_str().unwrap_or_default().to_owned(),
            text: text.chars().take(200).collect(),
        })
    });
    read.collect()
}

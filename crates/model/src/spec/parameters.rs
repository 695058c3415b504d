//! `parameters` of a database: which there are, how their values are written, and which are the platform's own.

use super::DatabaseEngine;

/// How a parameter's value is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParameterKind {
    Whole {
        least: i64,
        most: i64,
    },
    /// `256MB`, `1Gi`; powers of 1024, as databases count.
    Size,
    /// `on`, `off`
    Switch,
    /// One of these.
    Word(&'static [&'static str]),
    /// A number with its unit of time: `500ms`, `5s`, `1min`; plain numbers are milliseconds.
    Time,
    /// Between the two.
    Number {
        least: f64,
        most: f64,
    },
    /// Letters, digits and a few signs.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: ParameterKind,
}

/// What is wrong with a parameter, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidParameter {
    pub cause: String,
    pub remedy: String,
}

use ParameterKind::{Number, Plain, Size, Switch, Time, Whole, Word};

const fn whole(least: i64, most: i64) -> ParameterKind {
    Whole { least, most }
}
const fn number(least: f64, most: f64) -> ParameterKind {
    Number { least, most }
}
const fn of(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter { name, kind }
}

const POSTGRES: &[Parameter] = &[
    of("max_connections", whole(4, 10_000)),
    of("superuser_reserved_connections", whole(0, 100)),
    of("shared_buffers", Size),
    of("effective_cache_size", Size),
    of("work_mem", Size),
    of("maintenance_work_mem", Size),
    of("temp_buffers", Size),
    of("wal_buffers", Size),
    of("max_wal_size", Size),
    of("min_wal_size", Size),
    of("checkpoint_timeout", Time),
    of("checkpoint_completion_target", number(0.0, 1.0)),
    of("synchronous_commit", Word(&["on", "off", "local"])),
    of("random_page_cost", number(0.0, 1000.0)),
    of("seq_page_cost", number(0.0, 1000.0)),
    of("effective_io_concurrency", whole(0, 1000)),
    of("max_worker_processes", whole(0, 1024)),
    of("max_parallel_workers", whole(0, 1024)),
    of("max_parallel_workers_per_gather", whole(0, 1024)),
    of("max_parallel_maintenance_workers", whole(0, 1024)),
    of("max_locks_per_transaction", whole(10, 100_000)),
    of("max_prepared_transactions", whole(0, 10_000)),
    of("statement_timeout", Time),
    of("lock_timeout", Time),
    of("idle_in_transaction_session_timeout", Time),
    of("idle_session_timeout", Time),
    of("deadlock_timeout", Time),
    of("log_min_duration_statement", Time),
    of("log_statement", Word(&["none", "ddl"])),
    of("log_connections", Switch),
    of("log_disconnections", Switch),
    of("log_lock_waits", Switch),
    of("log_checkpoints", Switch),
    of("log_temp_files", Size),
    of("autovacuum_max_workers", whole(1, 100)),
    of("autovacuum_naptime", Time),
    of("autovacuum_vacuum_scale_factor", number(0.0, 100.0)),
    of("autovacuum_analyze_scale_factor", number(0.0, 100.0)),
    of("autovacuum_vacuum_cost_limit", whole(-1, 10_000)),
    of("default_statistics_target", whole(1, 10_000)),
    of("default_transaction_isolation", Plain),
    of("jit", Switch),
    of("timezone", Plain),
    of("track_io_timing", Switch),
    of("wal_level", Word(&["minimal", "replica", "logical"])),
    of("max_wal_senders", whole(0, 1000)),
    of("max_replication_slots", whole(0, 1000)),
    of("huge_pages", Word(&["on", "off", "try"])),
    of("tcp_keepalives_idle", whole(0, 86_400)),
];

const MARIADB: &[Parameter] = &[
    of("max_connections", whole(10, 100_000)),
    of("max_user_connections", whole(0, 100_000)),
    of("innodb_buffer_pool_size", Size),
    of("innodb_log_file_size", Size),
    of("innodb_log_buffer_size", Size),
    of("innodb_flush_log_at_trx_commit", whole(0, 3)),
    of("innodb_io_capacity", whole(100, 1_000_000)),
    of("innodb_lock_wait_timeout", whole(1, 1_073_741_824)),
    of("innodb_read_io_threads", whole(1, 64)),
    of("innodb_write_io_threads", whole(1, 64)),
    of("innodb_print_all_deadlocks", Switch),
    of("max_allowed_packet", Size),
    of("tmp_table_size", Size),
    of("max_heap_table_size", Size),
    of("sort_buffer_size", Size),
    of("join_buffer_size", Size),
    of("read_buffer_size", Size),
    of("read_rnd_buffer_size", Size),
    of("key_buffer_size", Size),
    of("thread_cache_size", whole(0, 16_384)),
    of("table_open_cache", whole(1, 1_048_576)),
    of("open_files_limit", whole(0, 4_294_967_295)),
    of("query_cache_size", Size),
    of("wait_timeout", whole(1, 31_536_000)),
    of("interactive_timeout", whole(1, 31_536_000)),
    of("connect_timeout", whole(2, 31_536_000)),
    of("net_read_timeout", whole(1, 31_536_000)),
    of("net_write_timeout", whole(1, 31_536_000)),
    of("max_statement_time", number(0.0, 31_536_000.0)),
    of("slow_query_log", Switch),
    of("long_query_time", number(0.0, 31_536_000.0)),
    of("character_set_server", Plain),
    of("collation_server", Plain),
    of("sql_mode", Plain),
    of("default_time_zone", Plain),
    of("event_scheduler", Switch),
    of("lower_case_table_names", whole(0, 1)),
    of("transaction_isolation", Plain),
];

const REDIS: &[Parameter] = &[
    of("maxmemory", Size),
    of(
        "maxmemory-policy",
        Word(&[
            "noeviction",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
        ]),
    ),
    of("maxmemory-samples", whole(1, 64)),
    of("maxclients", whole(1, 100_000)),
    of("timeout", whole(0, 31_536_000)),
    of("tcp-keepalive", whole(0, 86_400)),
    of("databases", whole(1, 10_000)),
    of("appendfsync", Word(&["always", "everysec", "no"])),
    of("auto-aof-rewrite-percentage", whole(0, 10_000)),
    of("auto-aof-rewrite-min-size", Size),
    of("lazyfree-lazy-eviction", Switch),
    of("lazyfree-lazy-expire", Switch),
    of("lazyfree-lazy-user-del", Switch),
    of("notify-keyspace-events", Plain),
    of("slowlog-log-slower-than", whole(-1, 3_600_000_000)),
    of("slowlog-max-len", whole(0, 100_000)),
    of("latency-monitor-threshold", whole(0, 86_400_000)),
    of("hz", whole(1, 500)),
    of("io-threads", whole(1, 128)),
    of("activedefrag", Switch),
    of("hash-max-listpack-entries", whole(0, 1_000_000)),
    of("set-max-intset-entries", whole(0, 1_000_000)),
    of("proto-max-bulk-len", Size),
];

/// Parameters that are not given by hand, each with what would happen.
const OURS: &[(&[&str], &str)] = &[
    (
        &[
            "data_directory",
            "datadir",
            "dir",
            "dbfilename",
            "hba_file",
            "ident_file",
            "config_file",
            "external_pid_file",
            "pid_file",
            "pidfile",
            "socket",
            "unixsocket",
            "unix_socket_directories",
            "tmpdir",
            "innodb_data_home_dir",
            "innodb_log_group_home_dir",
            "aclfile",
            "logfile",
            "log_error",
            "daemonize",
            "supervised",
        ],
        "its files lie where the platform puts and keeps them",
    ),
    (
        &[
            "port",
            "listen_addresses",
            "bind_address",
            "bind",
            "skip_networking",
            "protected-mode",
            "tls-port",
            "ssl",
            "password_encryption",
        ],
        "the platform gives it its address",
    ),
    (
        &[
            "requirepass",
            "masterauth",
            "masteruser",
            "user",
            "rename-command",
            "skip_grant_tables",
            "init_file",
            "authentication_timeout",
        ],
        "the platform makes and keeps its passwords",
    ),
    (
        &[
            "fsync",
            "full_page_writes",
            "zero_damaged_pages",
            "ignore_checksum_failure",
            "innodb_force_recovery",
            "innodb_doublewrite",
            "innodb_flush_method",
            "appendonly",
            "save",
            "wal_sync_method",
        ],
        "data would be lost when the machine or the server falls",
    ),
    (
        &[
            "archive_command",
            "archive_mode",
            "archive_library",
            "restore_command",
            "shared_preload_libraries",
            "session_preload_libraries",
            "local_preload_libraries",
            "dynamic_library_path",
            "loadmodule",
            "plugin_dir",
            "plugin_load",
            "plugin_load_add",
            "enable-debug-command",
            "enable-module-command",
            "local_infile",
            "secure_file_priv",
        ],
        "it would run or read what is not the database's",
    ),
    (
        &[
            "replicaof",
            "slaveof",
            "primary_conninfo",
            "primary_slot_name",
            "hot_standby",
            "server_id",
            "log_bin",
            "cluster-enabled",
            "read_only",
            "super_read_only",
            "replica-serve-stale-data",
        ],
        "a database has one instance, which no other follows",
    ),
];

impl DatabaseEngine {
    /// The parameters that may be set.
    pub const fn parameters(self) -> &'static [Parameter] {
        match self {
            DatabaseEngine::Postgres => POSTGRES,
            DatabaseEngine::Mariadb => MARIADB,
            DatabaseEngine::Redis => REDIS,
        }
    }

    pub fn parameter(self, name: &str) -> Option<&'static Parameter> {
        self.parameters()
            .iter()
            .find(|parameter| parameter.name == name)
    }

    /// Why nobody sets this one; `None` where it is none of the platform's own.
    pub fn forbidden(self, name: &str) -> Option<&'static str> {
        let plain = |text: &str| text.replace('-', "_").to_lowercase();
        let wanted = plain(name);
        OURS.iter()
            .find(|(names, _)| names.iter().any(|one| plain(one) == wanted))
            .map(|(_, why)| *why)
    }

    /// The value as the server takes it on its command line.
    pub fn parameter_value(
        self,
        parameter: &Parameter,
        text: &str,
    ) -> Result<String, InvalidParameter> {
        let name = parameter.name;
        let wrong = |remedy: String| InvalidParameter {
            cause: format!("`{text}` is no value of {name}."),
            remedy,
        };
        match parameter.kind {
            Whole { least, most } => match text.parse::<i64>() {
                Ok(value) if (least..=most).contains(&value) => Ok(value.to_string()),
                _ => Err(wrong(format!("Write a whole number from {least} to {most}."))),
            },
            Number { least, most } => match text.parse::<f64>() {
                Ok(value) if value.is_finite() && value >= least && value <= most => {
                    Ok(text.to_owned())
                }
                _ => Err(wrong(format!("Write a number from {least} to {most}."))),
            },
            Switch => match text {
                "on" | "true" | "yes" | "1" => Ok(self.switch(true)),
                "off" | "false" | "no" | "0" => Ok(self.switch(false)),
                _ => Err(wrong("Write `on` or `off`.".to_owned())),
            },
            Word(words) => match (words.iter().find(|word| **word == text), text) {
                (Some(word), _) => Ok((*word).to_owned()),
                // YAML's own words for on and off.
                (None, "true") if words.contains(&"on") => Ok("on".to_owned()),
                (None, "false") if words.contains(&"off") => Ok("off".to_owned()),
                _ => Err(wrong(format!("Write one of: {}.", words.join(", ")))),
            },
            Size => size(text).map(|bytes| self.size(bytes)).ok_or_else(|| {
                wrong("Write a size with its unit, such as 256MB or 1GB.".to_owned())
            }),
            Time => time(text)
                .map(|millis| format!("{millis}ms"))
                .ok_or_else(|| {
                    wrong("Write a time with its unit, such as 500ms, 30s or 5min; -1 switches it off where the server knows that.".to_owned())
                }),
            Plain => {
                let fits = (1..=200).contains(&text.len())
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b" _-+/.,:".contains(&b));
                match fits {
                    true => Ok(text.to_owned()),
                    false => Err(wrong("Write letters, digits and `_ - + / . , :`.".to_owned())),
                }
            }
        }
    }

    fn switch(self, on: bool) -> String {
        match (self, on) {
            (DatabaseEngine::Redis, true) => "yes",
            (DatabaseEngine::Redis, false) => "no",
            (_, true) => "on",
            (_, false) => "off",
        }
        .to_owned()
    }

    /// A size as the server counts.
    fn size(self, bytes: i64) -> String {
        match self {
            DatabaseEngine::Postgres if bytes > 0 => format!("{}kB", (bytes / 1024).max(1)),
            _ => bytes.to_string(),
        }
    }

    /// What the server is set to where nothing is said, from the memory that its container may take.
    pub fn parameters_for(self, memory: u64) -> Vec<(&'static str, String)> {
        let part = |percent: u64| {
            let bytes = (memory / 100).saturating_mul(percent) >> 20 << 20;
            self.size(i64::try_from(bytes.max(8 << 20)).unwrap_or(i64::MAX))
        };
        match self {
            DatabaseEngine::Postgres => vec![
                ("shared_buffers", part(25)),
                ("effective_cache_size", part(75)),
            ],
            DatabaseEngine::Mariadb => vec![("innodb_buffer_pool_size", part(50))],
            // The rest is for what it copies while it rewrites its file.
            DatabaseEngine::Redis => vec![("maxmemory", part(75))],
        }
    }

    /// The parameters that take memory as soon as it starts: more than its container may take would end it.
    pub fn takes_memory(self, name: &str) -> bool {
        matches!(
            name,
            "shared_buffers" | "innodb_buffer_pool_size" | "maxmemory" | "key_buffer_size"
        )
    }
}

/// Bytes; -1 stays -1, which means that nothing limits it.
pub fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: i64 = digits.parse().ok()?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" if number == 0 => 0,
        "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        "t" | "tb" | "ti" | "tib" => 40,
        // A plain number is bytes where it can be nothing else.
        "" if number >= 4096 => 0,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn time(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: i64 = digits.parse().ok()?;
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" | "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_server_takes_them() {
        let check = |engine: DatabaseEngine, name: &str, text: &str, want: &str| {
            let parameter = engine.parameter(name).unwrap();
            let got = engine.parameter_value(parameter, text);
            assert_eq!(got.as_deref(), Ok(want), "{name} {text}");
        };
        check(
            DatabaseEngine::Postgres,
            "shared_buffers",
            "256MB",
            "262144kB",
        );
        check(
            DatabaseEngine::Postgres,
            "shared_buffers",
            "1Gi",
            "1048576kB",
        );
        check(DatabaseEngine::Postgres, "max_connections", "200", "200");
        check(
            DatabaseEngine::Postgres,
            "statement_timeout",
            "30s",
            "30000ms",
        );
        check(DatabaseEngine::Postgres, "jit", "false", "off");
        check(DatabaseEngine::Postgres, "synchronous_commit", "true", "on");
        check(
            DatabaseEngine::Mariadb,
            "innodb_buffer_pool_size",
            "1G",
            "1073741824",
        );
        check(DatabaseEngine::Redis, "maxmemory", "100mb", "104857600");
        check(DatabaseEngine::Redis, "activedefrag", "on", "yes");
    }

    #[test]
    fn what_is_no_value_says_what_is() {
        for (engine, name, text, advice) in [
            (
                DatabaseEngine::Postgres,
                "max_connections",
                "many",
                "4 to 10000",
            ),
            (
                DatabaseEngine::Postgres,
                "max_connections",
                "1",
                "4 to 10000",
            ),
            (DatabaseEngine::Postgres, "shared_buffers", "256", "256MB"),
            (
                DatabaseEngine::Postgres,
                "work_mem",
                "4MB -c fsync=off",
                "256MB",
            ),
            (
                DatabaseEngine::Redis,
                "maxmemory-policy",
                "lru",
                "allkeys-lru",
            ),
            (DatabaseEngine::Mariadb, "sql_mode", "x'y", "letters"),
        ] {
            let parameter = engine.parameter(name).unwrap();
            let wrong = engine.parameter_value(parameter, text).unwrap_err();
            assert!(wrong.remedy.contains(advice), "{wrong:?}");
        }
    }

    #[test]
    fn the_platforms_own_are_no_parameters() {
        for engine in DatabaseEngine::ALL {
            for parameter in engine.parameters() {
                assert_eq!(engine.forbidden(parameter.name), None, "{}", parameter.name);
            }
        }
        assert!(DatabaseEngine::Postgres.forbidden("fsync").is_some());
        assert!(DatabaseEngine::Mariadb.forbidden("bind-address").is_some());
    }

    #[test]
    fn memory_is_shared_out() {
        let of = |engine: DatabaseEngine| engine.parameters_for(1 << 30);
        assert_eq!(
            of(DatabaseEngine::Postgres)[0],
            ("shared_buffers", "261120kB".to_owned())
        );
        assert_eq!(
            of(DatabaseEngine::Redis)[0],
            ("maxmemory", (767 << 20).to_string())
        );
    }
}

use pluvio_model::database::UserRights;
use pluvio_model::spec::DatabaseEngine;

use super::*;

#[test]
fn a_dump_is_whole_when_its_end_is_there() {
    let sql = b"--\n-- PostgreSQL database dump complete\n--\n";
    assert!(is_whole(DatabaseEngine::Postgres, b"--", sql));
    assert!(!is_whole(DatabaseEngine::Postgres, b"--", &sql[..20]));
    assert!(!is_whole(DatabaseEngine::Mariadb, b"--", sql));
    let mut rdb = b"REDIS0011 and so on".to_vec();
    rdb.push(0xff);
    rdb.extend([0; 8]);
    assert!(is_whole(DatabaseEngine::Redis, &rdb, &rdb));
    assert!(!is_whole(
        DatabaseEngine::Redis,
        &rdb,
        &rdb[..rdb.len() - 1]
    ));
}

#[test]
fn bad_names_of_users_are_refused() {
    let engine = DatabaseEngine::Postgres;
    for good in ["reports", "r2_d2", "a"] {
        assert!(check_user_name(engine, good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "Reports",
        "x'y",
        "x\"; DROP ROLE app; --",
        "1st",
        "root",
        "pg_monitor",
        "a b",
        &"a".repeat(32),
    ] {
        assert!(check_user_name(engine, bad).is_err(), "{bad}");
    }
    assert!(check_user_name(DatabaseEngine::Redis, "reports").is_err());
}

#[test]
fn what_goes_into_a_statement_is_quoted() {
    let change = UserChange::Create {
        rights: UserRights::ReadOnly,
        password: "it's\\".to_owned(),
    };
    let text = statements(DatabaseEngine::Postgres, ("app", "app"), "x\"y", &change);
    assert!(
        text.contains(
            "CREATE ROLE \"x\"\"y\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD 'it''s\\';"
        ),
        "{text}"
    );
    let text = statements(DatabaseEngine::Mariadb, ("app", "my_app"), "x", &change);
    assert_eq!(
        text,
        "CREATE USER 'x'@'%' IDENTIFIED BY 'it''s\\\\';\nGRANT SELECT, SHOW VIEW ON `my\\_app`.* TO 'x'@'%';\n"
    );
}

#[test]
fn users_are_read_with_their_rights() {
    let users = read_users("app|other|1\nreports|read-only|0\nwho|other|0\n", "app");
    let told: Vec<_> = users
        .iter()
        .map(|user| (user.name.as_str(), user.rights, user.own))
        .collect();
    assert_eq!(
        told,
        [
            ("app", UserRights::Owner, true),
            ("reports", UserRights::ReadOnly, false),
            ("who", UserRights::Other, false),
        ]
    );
}

#[test]
fn figures_are_read_from_what_is_there() {
    let read = read_figures(
        DatabaseEngine::Postgres,
        "before 100\nversion 17.6\nuptime 61\nsize 7000\nobjects 2\nconnections 3\nlimit 100\nhits 90\nreads 100\nslow 1500|app|SELECT pg_sleep(9)\nnonsense\nafter 159\n",
    );
    assert_eq!(read.version.as_deref(), Some("17.6"));
    assert_eq!(
        (read.connections, read.connections_limit),
        (Some(3), Some(100))
    );
    assert_eq!(read.hit_ratio, Some(0.9));
    assert_eq!(read.per_second, Some(50.0));
    assert_eq!(read.slowest[0].text, "SELECT pg_sleep(9)");
    let redis = read_figures(
        DatabaseEngine::Redis,
        "version 7.0.15\nothers 3\nhits 3\nmisses 1\nkeys 4\nkeys 5\nslowlog [[1, 2, 12000, [\"keys\", \"*\"], \"1.2.3.4:5\", \"\"]]\nbefore 10\nafter 12\n",
    );
    assert_eq!((redis.connections, redis.objects), (Some(2), Some(9)));
    assert_eq!(redis.hit_ratio, Some(0.75));
    assert_eq!(redis.slowest[0].milliseconds, 12.0);
}

#[test]
fn a_restore_that_does_not_replace_looks_first() {
    for engine in DatabaseEngine::ALL {
        let text = restore(
            engine,
            Restore {
                replace: false,
                bytes: Some(7),
            },
        );
        assert!(text.contains(&format!("exit {NOT_EMPTY}")), "{text}");
        assert!(text.contains("-eq 7"), "{text}");
        let text = restore(
            engine,
            Restore {
                replace: true,
                bytes: None,
            },
        );
        assert!(!text.contains(&format!("exit {NOT_EMPTY}")), "{text}");
    }
}

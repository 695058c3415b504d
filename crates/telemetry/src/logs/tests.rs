use std::path::Path;

use super::*;

struct Scene {
    store: Arc<LogStore>,
    application: ApplicationId,
    folder: tempfile::TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    Scene {
        store: open(folder.path()),
        application: "0190a000-0000-7000-8000-000000000001".parse().unwrap(),
        folder,
    }
}

fn open(folder: &Path) -> Arc<LogStore> {
    Arc::new(LogStore::open(folder, 1 << 20, Duration::from_secs(3600)).unwrap())
}

fn line(at: Timestamp, component: &str, instance: &str, text: &str) -> LogLine {
    LogLine {
        at,
        component: component.parse().unwrap(),
        instance: instance.to_owned(),
        stream: LogStream::Out,
        text: text.to_owned(),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::now().round(jiff::Unit::Hour).unwrap() + jiff::SignedDuration::from_secs(seconds)
}

impl Scene {
    fn say(&self, seconds: i64, component: &str, text: &str) {
        let line = line(at(seconds), component, "one", text);
        self.store
            .append(self.application, &component.parse().unwrap(), vec![line]);
    }

    fn query(&self) -> LogQuery {
        LogQuery {
            application: self.application,
            component: None,
            instance: None,
            container: None,
            since: None,
            until: None,
            contains: None,
            tail: None,
            follow: false,
        }
    }

    async fn texts(&self, query: LogQuery) -> Vec<String> {
        self.store.read(query).map(|line| line.text).collect().await
    }
}

#[tokio::test]
async fn lines_of_components_are_read_in_the_order_of_their_times_by_time_and_text() {
    let scene = scene();
    scene.say(1, "web", "a");
    scene.say(3, "web", "c says hello");
    scene.say(2, "db", "b");
    scene.say(4, "db", "d says hello");
    let check = async |query: LogQuery, texts: &[&str]| {
        assert_eq!(scene.texts(query).await, texts);
    };
    check(scene.query(), &["a", "b", "c says hello", "d says hello"]).await;
    check(
        LogQuery {
            since: Some(at(2)),
            until: Some(at(3)),
            ..scene.query()
        },
        &["b", "c says hello"],
    )
    .await;
    check(
        LogQuery {
            contains: Some("hello".into()),
            ..scene.query()
        },
        &["c says hello", "d says hello"],
    )
    .await;
    check(
        LogQuery {
            tail: Some(3),
            ..scene.query()
        },
        &["b", "c says hello", "d says hello"],
    )
    .await;
    check(
        LogQuery {
            component: Some("db".parse().unwrap()),
            ..scene.query()
        },
        &["b", "d says hello"],
    )
    .await;
    check(
        LogQuery {
            instance: Some("two".into()),
            ..scene.query()
        },
        &[],
    )
    .await;
}

#[tokio::test]
async fn a_follower_sees_what_is_kept_and_what_comes_each_once() {
    let scene = scene();
    scene.say(1, "web", "before");
    scene.say(1, "web", "before");
    let mut stream = scene.store.read(LogQuery {
        follow: true,
        ..scene.query()
    });
    scene.say(2, "web", "after");
    scene.say(2, "db", "beside");
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(stream.next().await.unwrap().text);
    }
    seen.sort();
    assert_eq!(seen, ["after", "before", "before", "beside"]);
    scene.say(3, "web", "last");
    assert_eq!(stream.next().await.unwrap().text, "last");
}

#[tokio::test]
async fn full_segments_are_compressed_read_as_before_and_the_oldest_go() {
    let scene = scene();
    let text = |n: usize| format!("{n} {}", "x".repeat(1000));
    for batch in 0..15 {
        let lines = (0..1000)
            .map(|n| line(at(batch), "web", "one", &text(batch as usize * 1000 + n)))
            .collect();
        scene
            .store
            .append(scene.application, &"web".parse().unwrap(), lines);
    }
    let folder = scene
        .folder
        .path()
        .join(scene.application.to_string())
        .join("web");
    let names = || {
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    // None may go because it waits to be compressed. On a busy machine that takes as long as it takes.
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    while names().iter().filter(|name| name.ends_with(".zst")).count() < 3 {
        assert!(std::time::Instant::now() < deadline, "{:?}", names());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(scene.texts(scene.query()).await.len(), 15_000);
    let again = Scene {
        store: open(scene.folder.path()),
        ..scene
    };
    assert_eq!(
        again
            .texts(LogQuery {
                tail: Some(2),
                ..again.query()
            })
            .await,
        [text(14_998), text(14_999)]
    );
    let found = again
        .texts(LogQuery {
            contains: Some("7123 ".into()),
            ..again.query()
        })
        .await;
    assert_eq!(found, [text(7123)]);
    trim(&folder, 0, Duration::from_secs(3600), Timestamp::now()).unwrap();
    assert_eq!(names(), ["current.log"]);
}

#[tokio::test]
async fn collecting_goes_on_where_it_was_and_a_line_cut_short_is_skipped() {
    let scene = scene();
    scene.say(1, "web", "a");
    scene.say(2, "web", "b");
    scene.say(2, "web", "c");
    let web: Name = "web".parse().unwrap();
    let file = scene
        .folder
        .path()
        .join(scene.application.to_string())
        .join("web/current.log");
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(b"{\"t\":17000");
    fs::write(&file, bytes).unwrap();
    let store = open(scene.folder.path());
    assert_eq!(
        store.cursor(scene.application, &web, "one"),
        Some((at(2), 2))
    );
    assert_eq!(store.cursor(scene.application, &web, "two"), None);
    assert_eq!(
        store.last_lines(scene.application, &web, "one", 2),
        ["b", "c"]
    );
    let scene = Scene { store, ..scene };
    scene.say(3, "web", "d");
    assert_eq!(scene.texts(scene.query()).await, ["a", "b", "c", "d"]);
    scene.store.remove(scene.application).unwrap();
    assert!(scene.texts(scene.query()).await.is_empty());
}

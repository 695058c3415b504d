//! Files that reach running instances.

use std::time::{Duration, Instant};

use pluvio_model::spec::{Command, Reload};

use crate::scene::{Part, Scene};

/// D8 on the engine: two seconds, no restart.
pub(crate) async fn a_hot_file_reaches_running_instances_and_is_reloaded(mut scene: Scene) {
    let part = |text: &str| {
        let reload = Reload::Command(Command::Shell("cp /etc/hot.conf /tmp/loaded".to_owned()));
        Part {
            instances: 2,
            hot: vec![("/etc/hot.conf".to_owned(), text.to_owned(), Some(reload))],
            ..Part::new("one")
        }
    };
    scene.deploy(&part("first")).await;
    let before = scene.settled().await.components["web"].instances.clone();
    assert_eq!(
        scene.get("/file/etc/hot.conf").await,
        Ok((200, "first".to_owned()))
    );
    let began = Instant::now();
    scene.deploy(&part("second")).await;
    for instance in &before {
        let address = format!("{}:8080", instance.address.as_ref().unwrap())
            .parse()
            .unwrap();
        for path in ["/file/etc/hot.conf", "/file/tmp/loaded"] {
            while crate::scene::get(address, path).await != Ok((200, "second".to_owned())) {
                assert!(
                    began.elapsed() < Duration::from_secs(2),
                    "{path} of {}",
                    instance.name
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    eprintln!("hot files reloaded after {:?}", began.elapsed());
    let after = scene.settled().await.components["web"].instances.clone();
    let started = |all: &[pluvio_model::observed::ObservedInstance]| {
        all.iter()
            .map(|i| (i.name.clone(), i.started_at))
            .collect::<Vec<_>>()
    };
    assert_eq!(started(&before), started(&after));
    scene.close().await;
}

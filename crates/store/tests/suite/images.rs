//! Images: what a repository holds, what a team may hold, what a collection leaves, by what clusters pull.

use std::collections::BTreeSet;
use std::time::Duration;

use pluvio_store::{CollectRule, Collected, ManifestPut, NewManifest, StoreError};

use crate::world::World;

fn manifest(digest: &str, needs: &[&str], tag: Option<&str>) -> NewManifest {
    NewManifest {
        digest: digest.to_owned(),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: 10,
        subject: None,
        artifact_type: None,
        annotations: Default::default(),
        needs: needs.iter().map(|digest| (*digest).to_owned()).collect(),
        may_need: Vec::new(),
        tag: tag.map(str::to_owned),
    }
}

pub(crate) async fn an_image_is_held_listed_within_its_quota_and_collected(world: World) {
    let (store, team) = (&world.store, world.store.home().team);
    let put = async |repository: &str, digest: &str, bytes: u64| {
        store
            .put_image_content(team, repository, digest, bytes, Some(1000))
            .await
    };
    put("main/a", "sha256:layer", 500).await.unwrap();
    put("main/b", "sha256:layer", 500).await.unwrap();
    let full = put("main/a", "sha256:large", 501).await.unwrap_err();
    assert!(
        matches!(&full, StoreError::Refused(problem) if problem.code == "images.quota"),
        "{full}"
    );
    assert_eq!(store.image_usage(team).await.unwrap(), (500, None));

    let image = manifest(
        "sha256:image",
        &["sha256:layer", "sha256:config"],
        Some("v1"),
    );
    let lacks = store
        .put_image_manifest(team, "main/a", &image, None, "test")
        .await
        .unwrap();
    assert_eq!(lacks, ManifestPut::Lacks(vec!["sha256:config".to_owned()]));
    assert_eq!(store.image_manifest("main/a", "v1").await.unwrap(), None);
    let mounted = store
        .mount_image_content(team, "main/b", "main/a", "sha256:layer")
        .await
        .unwrap();
    assert_eq!(mounted, Some(500));
    put("main/a", "sha256:config", 2).await.unwrap();
    let kept = store
        .put_image_manifest(team, "main/a", &image, None, "test")
        .await
        .unwrap();
    assert_eq!(kept, ManifestPut::Kept);
    let named = store
        .delete_image_content("main/a", "sha256:layer")
        .await
        .unwrap_err();
    assert!(matches!(named, StoreError::Refused(_)));

    let tags = store.image_tags("main/a").await.unwrap().unwrap();
    assert_eq!(
        (tags.len(), tags[0].name.as_str(), tags[0].bytes),
        (1, "v1", 512)
    );
    let rows = store.image_repositories(team).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.name.as_str(), row.tags, row.manifests, row.bytes))
        .collect();
    assert_eq!(rows, [("main/a", 1, 1, 512), ("main/b", 0, 0, 500)]);

    store
        .put_published_image(team, "main/a", "engine's", "sha256:image")
        .await
        .unwrap();
    let published = store.published_image("main/a", "engine's").await.unwrap();
    assert_eq!(published.as_deref(), Some("sha256:image"));

    // Times are in whole milliseconds: what is older than none has to be older than this one.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let keep: BTreeSet<String> = ["sha256:image".to_owned()].into();
    let rule = CollectRule {
        grace: Duration::ZERO,
        keep_tags: None,
        keep,
    };
    let gone = store.collect_images(&rule).await.unwrap();
    assert_eq!(
        gone,
        Collected {
            tags: 0,
            manifests: 0,
            contents: 1
        },
        "what nobody named in main/b"
    );
    let gone = store.collect_images(&CollectRule::default()).await.unwrap();
    assert_eq!(
        gone,
        Collected {
            tags: 1,
            manifests: 1,
            contents: 3
        }
    );
    assert_eq!(
        store.published_image("main/a", "engine's").await.unwrap(),
        None
    );
    assert!(store.image_repositories(team).await.unwrap().is_empty());
    assert!(
        store
            .held_images(&["sha256:layer".to_owned()])
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_cluster_pulls_by_its_own_credential_and_for_a_while_by_the_one_before(
    world: World,
) {
    let (store, team, cluster) = (&world.store, world.store.home().team, world.cluster.id);
    let first = store.pull_credential(team, cluster).await.unwrap();
    assert_eq!(store.pull_credential(team, cluster).await.unwrap(), first);
    assert_eq!(
        store.pulls(&first.password).await.unwrap(),
        Some((team, cluster))
    );
    assert_eq!(store.pulls("pull_another").await.unwrap(), None);
    let hour = Duration::from_secs(3600);
    let second = store
        .rotate_pull_credential(team, cluster, hour, "test")
        .await
        .unwrap();
    assert_ne!(second.password, first.password);
    for password in [&first.password, &second.password] {
        assert_eq!(store.pulls(password).await.unwrap(), Some((team, cluster)));
    }
    store
        .rotate_pull_credential(team, cluster, Duration::ZERO, "test")
        .await
        .unwrap();
    for password in [&first.password, &second.password] {
        assert_eq!(store.pulls(password).await.unwrap(), None);
    }
    let text = world
        .sql("SELECT hash FROM pull_credentials")
        .await
        .join(" ");
    assert!(!text.contains("pull_"), "{text}");
}

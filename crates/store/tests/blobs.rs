//! Blobs: whole or not at all, bounded, appended to while read.

use std::io::Error;
use std::str::FromStr;

use bytes::Bytes;
use futures::stream;
use pluvio_store::{BlobError, BlobKey, Blobs};
use tokio::io::AsyncReadExt;

fn key(text: &str) -> BlobKey {
    text.parse().unwrap()
}

fn chunks(texts: &[&'static str]) -> impl futures::Stream<Item = std::io::Result<Bytes>> + use<> {
    let chunks: Vec<_> = texts
        .iter()
        .map(|text| Ok(Bytes::from_static(text.as_bytes())))
        .collect();
    stream::iter(chunks)
}

fn files_below(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn an_upload_is_kept_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let kept = blobs
        .put_by_content("uploads", chunks(&["ab", "c"]), 100)
        .await
        .unwrap();
    // SHA-256 of "abc": FIPS 180-2, appendix B.1.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(kept.key, key(&format!("uploads/{sha256}")));
    assert_eq!((kept.bytes, kept.sha256.as_deref()), (3, Some(sha256)));
    let again = blobs
        .put_by_content("uploads", chunks(&["abc"]), 100)
        .await
        .unwrap();
    assert_eq!(again.key, kept.key);
    assert_eq!(blobs.read(&kept.key, 3).await.unwrap(), b"abc");
    assert!(matches!(
        blobs.read(&kept.key, 2).await,
        Err(BlobError::TooLarge { limit: 2 })
    ));
    let listed = blobs.list("uploads").await.unwrap();
    assert_eq!((listed.len(), listed[0].bytes), (1, 3));
    blobs.delete(&kept.key).await.unwrap();
    blobs.delete(&kept.key).await.unwrap();
    assert!(matches!(
        blobs.get(&kept.key, 0).await,
        Err(BlobError::NotFound(_))
    ));
}

#[tokio::test]
async fn what_breaks_off_or_is_too_large_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    blobs.put_bytes(&key("logs/a"), b"before").await.unwrap();
    let too_large = blobs.put(&key("logs/a"), chunks(&["12345", "6"]), 5).await;
    assert!(matches!(too_large, Err(BlobError::TooLarge { limit: 5 })));
    let broken = stream::iter([Ok(Bytes::from_static(b"12")), Err(Error::other("gone"))]);
    let broken = blobs.put(&key("logs/a"), broken, 100).await;
    assert!(matches!(broken, Err(BlobError::Input(_))));
    assert_eq!(blobs.read(&key("logs/a"), 100).await.unwrap(), b"before");
    // A receiver that is dropped in the middle.
    let endless = stream::pending();
    let b = key("logs/b");
    let receiving = blobs.put(&b, endless, 100);
    let cut = tokio::time::timeout(std::time::Duration::from_millis(20), receiving).await;
    assert!(cut.is_err());
    assert_eq!(files_below(folder.path()), 1);

    // What a killed process left is gone after the next start.
    std::fs::write(folder.path().join(".unfinished/left"), "half").unwrap();
    Blobs::open(folder.path()).await.unwrap();
    assert_eq!(files_below(folder.path()), 1);
}

#[tokio::test]
async fn a_log_is_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let log = key("logs/019a0000-0000-7000-8000-000000000001");
    let mut writer = blobs.append(&log).await.unwrap();
    writer.append(b"one\n").await.unwrap();
    let mut reader = blobs.get(&log, 0).await.unwrap();
    assert_eq!(reader.bytes, 4);
    writer.append(b"two\n").await.unwrap();
    let mut text = String::new();
    reader.file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "one\ntwo\n");
    writer.finish().await.unwrap();

    // A build that another process goes on with appends to the same log.
    let mut writer = blobs.append(&log).await.unwrap();
    assert_eq!(writer.bytes(), 8);
    writer.append(b"three\n").await.unwrap();
    let mut rest = String::new();
    blobs
        .get(&log, 8)
        .await
        .unwrap()
        .file
        .read_to_string(&mut rest)
        .await
        .unwrap();
    assert_eq!(rest, "three\n");
    assert_eq!(blobs.tail(&log, 6).await.unwrap(), b"three\n");
    assert_eq!(blobs.tail(&log, 600).await.unwrap().len(), 14);
}

#[test]
fn a_key_stays_in_its_folder() {
    for bad in [
        "", "/", "a/", "/a", "..", "a/../b", ".hidden", "a/.b", "A", "a b", "a//b", "ä",
    ] {
        assert!(BlobKey::from_str(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "uploads/0f", "logs/019a-b.log", "a/b/c_1"] {
        assert!(BlobKey::from_str(good).is_ok(), "{good:?}");
    }
}

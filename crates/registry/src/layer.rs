//! Layers of an archive as a registry serves them: compressed, the same bytes each time.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use crate::name::Digest;

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// How a layer's file is compressed, as its first bytes say; `None` for a plain archive.
pub(crate) fn media_type(file: &Path) -> std::io::Result<Option<&'static str>> {
    let mut first = Vec::with_capacity(4);
    File::open(file)?.take(4).read_to_end(&mut first)?;
    Ok(match first.as_slice() {
        [0x1f, 0x8b, ..] => Some(GZIP),
        [0x28, 0xb5, 0x2f, 0xfd] => Some(ZSTD),
        _ => None,
    })
}

/// Compresses a plain archive. No name, no time: the same archive gives the same bytes.
pub(crate) fn compress(plain: &Path, into: &Path) -> std::io::Result<(Digest, u64)> {
    let mut from = BufReader::with_capacity(1 << 20, File::open(plain)?);
    let to = Hashed {
        to: std::io::BufWriter::with_capacity(1 << 20, File::create_new(into)?),
        hash: Sha256::new(),
        bytes: 0,
    };
    let mut packed = GzBuilder::new().mtime(0).write(to, Compression::fast());
    std::io::copy(&mut from, &mut packed)?;
    let mut to = packed.finish()?;
    to.flush()?;
    Ok((Digest::of(to.hash), to.bytes))
}

/// The media type of what [`compress`] makes.
pub(crate) const COMPRESSED: &str = GZIP;

/// Hashes what is written through it.
pub(crate) struct Hashed<W> {
    pub(crate) to: W,
    pub(crate) hash: Sha256,
    pub(crate) bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(data)?;
        self.hash.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

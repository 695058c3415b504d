//! Plans many sources in one process and says how long it took: for `benches/run formats`.
//!
//!     plan_many FILE...     folders, or compose files

use std::path::Path;
use std::time::Instant;

use pluvio_build::plan_compose::{self, Asked};
use pluvio_build::plan_source;

fn main() {
    let begun = Instant::now();
    let (mut count, mut failed) = (0, 0);
    for name in std::env::args_os().skip(1) {
        let path = Path::new(&name);
        count += 1;
        let planned = if path.is_dir() {
            plan_source::of_folder_as(path, &Asked::default()).ok()
        } else {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let asked = Asked {
                files: vec![file.into_owned()],
                ..Asked::default()
            };
            let folder = path.parent().unwrap_or(Path::new("."));
            Some(plan_compose::of_folder(folder, &asked))
        };
        failed += usize::from(planned.is_none_or(|planned| !planned.errors.is_empty()));
    }
    println!(
        "{count} {failed} {:.1}",
        begun.elapsed().as_secs_f64() * 1000.0
    );
}

//! What every shell sets, wherever a file names it.

use super::*;

const FILE: &str = "
name: shop
services:
  web:
    image: localhost/web:1
    env_file: [web.env]
    environment: { SEEN: '${LAB}', OTHER: '${DIR:-x}' }
    volumes:
      - ${DIR:-${HOME}/lab}:/a
      - ${LAB}:/b
      - { type: bind, source: '${SUB}', target: /c }
      - $HOME/keys:$HOME/keys
";

#[test]
fn the_shells_values_mean_the_same_wherever_a_path_takes_them_from() {
    let import = read_files(&[
        ("compose.yaml", FILE),
        (".env", "LAB=${HOME}/lab\nSUB=${LAB}/sub\n"),
        ("web.env", "A=${HOME}/x\n"),
    ]);
    assert_eq!(import.errors, []);
    let web = &import.spec.components["web"];
    let paths = web.volumes.iter().map(|(target, mount)| {
        let host = mount.host_path.as_ref().map(ToString::to_string);
        (target.as_str(), host.unwrap_or_default())
    });
    let home = |path: &str| format!("/here/~{path}");
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [
            ("/a", home("/lab")),
            ("/b", home("/lab")),
            ("/c", home("/lab/sub")),
            ("/here/~/keys", home("/keys")),
        ],
        "{}",
        shown(&import)
    );
    // No path: compose puts the shell's value there, which nobody knows here.
    let value = |name: &str| web.env[name].0.clone();
    assert_eq!(value("A"), "/x");
    assert_eq!(value("OTHER"), "${settings.DIR}");
    assert!(!value("SEEN").contains('~'));
    let rows = import.report.iter();
    let told = rows.filter(|row| row.message.contains("of the shell"));
    assert_eq!(told.count(), 1, "{}", shown(&import));
    let texts = import.report.iter().map(|row| row.message.as_str());
    assert!(!texts.collect::<String>().contains("puts nothing there"));
}

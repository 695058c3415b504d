//! Which published ports lead to pages, and which stay ports of the machine.

use pluvio_model::spec::PortProtocol;

use super::*;

/// Whether the component's port speaks HTTP, and the machine's port that leads to it.
fn port(import: &Import, name: &str, number: u16) -> (bool, Option<u16>) {
    let component = &import.spec.components[name];
    let ports = component.ports.values();
    let mut ports = ports.filter(|port| port.port == number);
    let protocol = ports.next().expect("such a port").protocol;
    let of_it = pluvio_model::spec::PortRef::Number(number);
    let published = component.publish.iter().find(|one| one.port == of_it);
    (
        protocol == PortProtocol::Http,
        published.map(|publish| publish.host),
    )
}

#[test]
fn what_others_dial_by_another_scheme_is_no_page() {
    let import = read_text(
        "
name: shop
services:
  events:
    image: localhost/events:1
    container_name: the-events
    ports: ['5001:5001', '5002:5002', '5003:5003', '5004:5004', '5005:5005', '5006:5006']
    environment: { SOME_LISTENERS: 'PLAINTEXT://1.2.3.4:5003,CONTROLLER://:5004' }
  app:
    image: localhost/app:1
    ports: ['8000:8000']
    command: [serve, '--queue', 'amqp://me:pw@events:5001/x']
    environment:
      BOOTSTRAP_SERVERS: other:1,the-events:5002
      PAGES: http://events:5005/
      WAIT: tcp://events:5006
      CONTEXT_BROKER: http://app:8000
",
    );
    assert_eq!(import.errors, []);
    for number in 5001..=5004 {
        assert_eq!(port(&import, "events", number), (false, Some(number)));
    }
    assert!(port(&import, "events", 5005).0);
    assert!(port(&import, "events", 5006).0);
    assert!(port(&import, "app", 8000).0);
    // The first that serves pages has the name that routes lead to.
    assert_eq!(import.spec.components["events"].ports["http"].port, 5005);
}

#[test]
fn well_known_images_and_ports_are_no_pages() {
    let import = read_text(
        "
name: shop
services:
  kafka: { image: confluentinc/cp-kafka, ports: ['29092:29092', '9999:9999'] }
  mqtt: { image: 'eclipse-mosquitto:2', ports: ['9001:9001', '1884:1884'] }
  web: { image: 'localhost/web:1', ports: ['4443:9443', '4317:4317', '3000:3000'] }
",
    );
    assert_eq!(import.errors, []);
    for number in [29092, 9999] {
        assert_eq!(port(&import, "kafka", number), (false, Some(number)));
    }
    assert_eq!(port(&import, "mqtt", 1884), (false, Some(1884)));
    assert!(port(&import, "mqtt", 9001).0);
    assert_eq!(port(&import, "web", 9443), (false, Some(4443)));
    assert_eq!(port(&import, "web", 4317), (false, Some(4317)));
    assert!(port(&import, "web", 3000).0);
}

#[test]
fn the_machines_address_of_a_page_that_became_a_route_is_told_of() {
    let files = [
        (
            "compose.yaml",
            "
name: shop
services:
  web:
    image: localhost/web:1
    ports: ['3000:3001', '5432:5432']
    env_file: [web.env]
    environment:
      NEXTAUTH_URL: http://localhost:3000/
      SETTING: ${URL:-https://127.0.0.1:3000}
      DATABASE: http://localhost:5432
      OTHER: http://localhost:3001
  beside:
    image: localhost/beside:1
    network_mode: service:web
    environment: [CALLBACK=http://localhost:3000/back]
",
        ),
        ("web.env", "FROM_FILE=http://localhost:3000\n"),
    ];
    let import = read_files(&files);
    assert_eq!(import.errors, []);
    let rows = import.report.iter();
    let rows: Vec<_> = rows
        .filter(|row| row.message.contains("leads nowhere now"))
        .map(|row| (&*row.at, row.remedy.as_deref().unwrap_or_default()))
        .collect();
    let places: Vec<&str> = rows.iter().map(|(at, _)| *at).collect();
    assert_eq!(
        places,
        [
            "services.web.environment.NEXTAUTH_URL",
            "services.web.environment.SETTING",
            "services.web.env_file.FROM_FILE",
            "services.beside.environment.CALLBACK",
        ]
    );
    assert!(
        rows[0].1.contains("http://web:3001, `${web.url}`"),
        "{rows:?}"
    );
    assert!(rows[1].1.starts_with("Give URL the address"), "{rows:?}");
}

//! The registry as whoever runs the verbs meets it: settings, refusals, formats.

use serde_json::json;

use super::server::Mode;
use super::*;
use crate::tool::leave_out;

fn line() -> Value {
    json!({"key": "0", "value": reading(25.5)})
}

/// A registry that only looks up: somebody else registers, under the topic's name in force.
#[test]
fn without_leave_to_register_we_only_look_up() {
    let Some(server) = registry("a registry where we only look up") else { return };
    let more = "register = false\n[topics.houseplant-readings]\nname = \"garden\"";
    let dir = folder(&server.url(), more);
    let refused = write(dir.path(), "garden", &[line()]).expect_code(1);
    let expected = "subject garden-value of the schema registry does not have our schema, and \
                    schema_registry.register is false";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    assert!(!server.subjects().contains(&"garden-value".to_owned()));
    server.register("garden-value", OURS);
    write(dir.path(), "garden", &[line()]).expect_code(0);
    assert_eq!(values(dir.path(), "garden"), [reading(25.5)]);
}

/// Basic authentication, and a password that never shows.
#[test]
fn a_registry_may_ask_who_we_are() {
    let Some(server) = registry("a registry with a password") else { return };
    let proxy = Proxy::before(server);
    proxy.expect_user("windowsill", "s3cret");
    let dir = folder(&proxy.url(), "");
    let refused = write(dir.path(), READINGS, &[line()]).expect_code(1);
    assert!(refused.stderr.contains("refuses us (401)"), "{}", refused.stderr);
    assert!(refused.stderr.contains("schema_registry.password"), "{}", refused.stderr);
    std::fs::write(dir.path().join("password"), "s3cret\n").unwrap();
    configure(dir.path(), &proxy.url(), "user = \"windowsill\"\npassword_file = \"password\"");
    write(dir.path(), READINGS, &[line()]).expect_code(0);
    let shown = run(dir.path(), &["config"]).expect_code(0).stdout;
    assert!(shown.contains("user = \"windowsill\"") && !shown.contains("s3cret"), "{shown}");
}

/// TLS with an authority of one's own.
#[test]
fn a_registry_may_speak_tls() {
    const TEST: &str = "a registry over TLS";
    let Some(server) = registry(TEST) else { return };
    let Some((url, authority)) = server.tls() else { return leave_out(TEST, "install openssl") };
    let dir = folder(&url, "");
    let refused = write(dir.path(), READINGS, &[line()]).expect_code(1);
    assert!(refused.stderr.contains("does not answer"), "{}", refused.stderr);
    assert!(refused.stderr.to_lowercase().contains("certificate"), "{}", refused.stderr);
    configure(dir.path(), &url, &format!("ca_certificates = {authority:?}"));
    write(dir.path(), READINGS, &[line()]).expect_code(0);
    assert_eq!(fold(dir.path())["records"], json!(1));
}

#[test]
fn check_tells_how_the_registry_is() {
    let Some(server) = registry("check with a registry") else { return };
    let proxy = Proxy::before(server);
    let dir = folder(&proxy.url(), "");
    for (mode, verdict, part) in [
        (Mode::Pass, "ok", "answers"),
        (Mode::Status(503), "failed", "is in trouble: it answers 503"),
        (Mode::Status(401), "failed", "refuses us (401)"),
        (Mode::Closed, "failed", "does not answer"),
    ] {
        proxy.turn(mode);
        let shown = run(dir.path(), &["check", "--json"]).json_lines().remove(0);
        let checks = shown["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == "schema registry").unwrap();
        assert_eq!(found["verdict"], verdict, "{found}");
        assert!(found["says"].as_str().unwrap().contains(part), "{found}");
    }
}

/// A page of some other server is no word about an id: nothing is thrown away for it.
#[test]
fn a_wrong_address_is_told_and_makes_no_dead_letters() {
    let Some(server) = registry("a registry at a wrong address") else { return };
    let id = server.register("wrong-address-value", OURS);
    let wrong = format!("http://127.0.0.1:{}/nowhere", server.port);
    let dir = folder(&wrong, "");
    write(dir.path(), READINGS, &[raw(&wire(id, OURS, &reading(25.5)))]).expect_code(0);
    let failed = run(dir.path(), &["fold"]).expect_code(1);
    assert!(failed.stderr.contains("answers 404"), "{}", failed.stderr);
    assert!(failed.stderr.contains("is schema_registry.url right"), "{}", failed.stderr);
    configure(dir.path(), &server.url(), "");
    let folded = fold(dir.path());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(1), &json!(0)));
}

#[test]
fn a_registry_that_is_away_fails_the_verbs_that_need_it_with_one_sentence() {
    let Some(server) = registry("a registry that is away") else { return };
    let proxy = Proxy::before(server);
    let dir = folder(&proxy.url(), "");
    let id = server.register("away-value", OURS);
    proxy.turn(Mode::Closed);
    let bytes = raw(&wire(id, OURS, &reading(25.5)));
    write(dir.path(), READINGS, &[bytes]).expect_code(0);
    let rejected = write(dir.path(), READINGS, &[line()]).expect_code(1);
    assert!(rejected.stderr.contains("0 written, 1 rejected"), "{}", rejected.stderr);
    for verb in [&["topic", "read", READINGS][..], &["fold"]] {
        let failed = run(dir.path(), verb).expect_code(1);
        let sentence = format!("the schema registry at {} does not answer", proxy.url());
        assert!(failed.stderr.contains(&sentence), "{}", failed.stderr);
    }
    proxy.turn(Mode::Pass);
    assert_eq!(fold(dir.path())["dead_letters"], json!(0));
}

#[test]
fn an_id_is_asked_for_once_and_remembered_by_the_next_process() {
    let Some(server) = registry("ids that are remembered") else { return };
    let proxy = Proxy::before(server);
    let dir = folder(&proxy.url(), "");
    let id = server.register("once-value", OURS);
    let bytes = raw(&wire(id, OURS, &reading(25.5)));
    write(dir.path(), READINGS, &[bytes.clone(), bytes.clone(), bytes.clone()]).expect_code(0);
    assert_eq!(fold(dir.path())["records"], json!(3));
    let asked = format!("GET /apis/ccompat/v7/schemas/ids/{id} HTTP/1.1");
    let times = || proxy.requests().iter().filter(|line| **line == asked).count();
    assert_eq!(times(), 1);
    proxy.turn(Mode::Status(503));
    write(dir.path(), READINGS, &[bytes]).expect_code(0);
    let folded = fold(dir.path());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(1), &json!(0)));
}

/// Formats per topic: JSON is checked against the schema.
#[test]
fn a_topic_may_be_json_although_there_is_a_schema() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "[topics.houseplant-readings]\nformat = \"json\"\n";
    std::fs::write(dir.path().join("windowsill.toml"), settings).unwrap();
    let wrong = json!({"key": "0", "value": {"plant_id": 0, "moisture": "wet", "temperature": 1}});
    let ran = write(dir.path(), READINGS, &[line(), wrong]).expect_code(1);
    assert!(ran.stderr.contains("line 2: field \"moisture\" is \"wet\""), "{}", ran.stderr);
    let lines = [
        raw(br#"{"plant_id": 0, "moisture": 20, "temperature": 18.5, "added_later": [1]}"#),
        raw(br#"{"plant_id": 0, "moisture": 20}"#),
        raw(b"[0, 20, 18.5]"),
        raw(b"not json"),
    ];
    write(dir.path(), READINGS, &lines).expect_code(0);
    let folded = fold(dir.path());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(5), &json!(3)));
    assert_eq!(values(dir.path(), READINGS)[..2], [reading(25.5), reading(20.0)]);
}

#[test]
fn formats_and_settings_that_do_not_go_together_are_refused() {
    let registry = "[schema_registry]\nurl = \"http://127.0.0.1:1/\"\n";
    for (settings, expected) in [
        (
            "[topics.houseplant-readings]\nformat = \"confluent\"".to_owned(),
            "topics.\"houseplant-readings\".format: it is confluent, which needs schema_registry.url",
        ),
        (
            "[topics.houseplant-readings]\nformat = \"text\"".to_owned(),
            "it is text, expected avro, confluent or json",
        ),
        ("[topics.pcap]\nformat = \"avro\"".to_owned(), "it is avro, expected json or confluent"),
        (
            "[topics.windowsill-dead-letters]\nformat = \"json\"".to_owned(),
            "it is json, expected text",
        ),
        ("[topics.pcap]\nformat = \"xml\"".to_owned(), "format"),
        (
            "[schema_registry]\nurl = \"http://me:pw@127.0.0.1/\"".to_owned(),
            "user and password have keys of their own",
        ),
        (format!("{registry}password = \"x\""), "no schema_registry.user"),
        (format!("{registry}ca_certificates = \"none.pem\""), "schema_registry.ca_certificates is"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("windowsill.toml"), &settings).unwrap();
        let refused = run(dir.path(), &["topic", "list"]).expect_code(2);
        assert!(refused.stderr.contains(expected), "{settings}: {}", refused.stderr);
        assert!(!refused.stderr.contains("pw"), "{}", refused.stderr);
    }
}

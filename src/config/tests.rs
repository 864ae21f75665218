use super::*;

fn sources(file: &str, variables: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    if !file.is_empty() {
        std::fs::write(dir.path().join("windowsill.toml"), file).unwrap();
    }
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let working_dir = dir.path().to_path_buf();
    (dir, Sources { working_dir, variables, ..Sources::default() })
}

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let (_dir, sources) = sources(file, variables);
    Config::load(&sources).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(file: &str, variables: &[(&str, &str)], expected: &str) {
    let error = load(file, variables).unwrap_err();
    assert!(error.contains(expected), "{error:?} should contain {expected:?}");
    assert!(!error.contains('\n'), "{error:?} is one sentence");
}

#[test]
fn without_any_source_the_defaults_hold() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("./windowsill-data"));
    assert_eq!(config.plants.low_readings_limit, 120);
    assert_eq!(config.time_zone, TimeZone::UTC);
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let file = "data_dir = 'a'\n[telegram]\napi_url = 'http://file'";
    let (_dir, mut sources) = sources(
        file,
        &[("WINDOWSILL_DATA_DIR", "b"), ("WINDOWSILL_TELEGRAM__API_URL", "http://env")],
    );
    assert_eq!(Config::load(&sources).unwrap().data_dir, PathBuf::from("b"));
    sources.data_dir = Some(PathBuf::from("c"));
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("c"));
    assert_eq!(config.telegram.api_url, "http://env");
}

#[test]
fn the_token_has_two_variables_and_a_file() {
    let token = |variables: &[(&str, &str)]| load("", variables).unwrap().telegram.token.unwrap();
    assert_eq!(token(&[("TELEGRAM_BOT_TOKEN", "1:a")]).reveal(), "1:a");
    let both = [("TELEGRAM_BOT_TOKEN", "1:a"), ("WINDOWSILL_TELEGRAM__TOKEN", "2:b")];
    assert_eq!(token(&both).reveal(), "2:b");
    let (dir, sources) = sources("[telegram]\ntoken_file = 'secret'", &[]);
    std::fs::write(dir.path().join("secret"), "3:c\n").unwrap();
    assert_eq!(Config::load(&sources).unwrap().telegram.token.unwrap().reveal(), "3:c");
}

#[test]
fn every_secret_may_stand_in_a_file_of_its_own() {
    let mut config = Config::default();
    let secrets: Vec<String> = config.secrets().iter().map(|key| key.name.to_owned()).collect();
    for key in key_paths() {
        let beside = key.strip_suffix("_file").map(str::to_owned);
        assert!(beside.is_none_or(|secret| secrets.contains(&secret)), "{key}");
    }
    for secret in secrets {
        assert!(key_paths().contains(&format!("{secret}_file")), "{secret}");
    }
    let (dir, sources) = sources("[webhook]\nsecret_file = 'secret'", &[]);
    std::fs::write(dir.path().join("secret"), "a-Secret_1\n").unwrap();
    assert_eq!(Config::load(&sources).unwrap().webhook.secret.unwrap().reveal(), "a-Secret_1");
    std::fs::write(dir.path().join("secret"), "not for Telegram\n").unwrap();
    let error = Config::load(&sources).unwrap_err().to_string();
    assert!(error.contains("webhook.secret_file: expected 1 to 256 letters"), "{error}");
    assert!(!error.contains("not for"), "{error}");
}

#[test]
fn a_webhooks_address_is_one_or_ngrok() {
    let of = |url: &str| load(&format!("[webhook]\nurl = '{url}'"), &[]);
    for (url, shown, path) in [
        ("https://bot.example.org/", "https://bot.example.org/telegram", "/telegram"),
        ("https://bot.example.org/a/b", "https://bot.example.org/a/b", "/a/b"),
        ("ngrok", "ngrok", "/telegram"),
    ] {
        let config = of(url).unwrap();
        assert_eq!(config.webhook.url.as_ref().unwrap().path(), path);
        assert!(render(&config).contains(&format!("url = \"{shown}\"")));
    }
    let odd =
        ["bot.example.org", "ftp://x/", "https://x/?a=b", "https://x/{a}", "https://x/metrics"];
    for url in odd {
        let error = of(url).unwrap_err();
        assert!(error.contains("https://bot.example.org/telegram, or ngrok"), "{url}: {error}");
    }
    refused("[http]\nlisten = '8080'", &[], "expected an address and a port such as");
    let config = load("", &[("WINDOWSILL_HTTP__LISTEN", "0.0.0.0:80")]).unwrap();
    assert_eq!(config.http.listen.port(), 80);
}

#[test]
fn a_secret_given_twice_is_refused() {
    let file = "[telegram]\ntoken_file = 'secret'";
    refused(file, &[("TELEGRAM_BOT_TOKEN", "1:a")], "both telegram.token (TELEGRAM_BOT_TOKEN)");
}

#[test]
fn numbers_that_are_meant_as_text_are_text() {
    let variables = [("WINDOWSILL_DATA_DIR", "007"), ("WINDOWSILL_LOG_FILTER", "5")];
    let config = load("", &variables).unwrap();
    assert_eq!((config.data_dir, config.log_filter.as_str()), (PathBuf::from("007"), "5"));
}

#[test]
fn chats_are_a_list_or_text_with_commas() {
    let config = load("[telegram]\nowners = [1, 2]", &[]).unwrap();
    assert_eq!(config.telegram.owners, [1, 2]);
    for (text, ids) in
        [("5", vec![5]), ("5, -1006", vec![5, -1006]), ("[5, -1006]", vec![5, -1006])]
    {
        let config = load("", &[("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", text)]).unwrap();
        assert_eq!(config.telegram.allowed_chats, ids);
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known() {
    refused(
        "data_dirr = 'x'",
        &[],
        "sets \"data_dirr\", which is not a key; did you mean \"data_d",
    );
    refused(
        "[telegram]\ntokken = 'x'",
        &[],
        "\"telegram.tokken\", which is not a key; did you mean \"telegram.token\"?",
    );
    refused("[plants]\napi_url = 'x'", &[], "did you mean \"telegram.api_url\"?");
    refused("", &[("WINDOWSILL_TELEGRAM__TOKN", "x")], "WINDOWSILL_TELEGRAM__TOKN sets");
    refused("[topics.houseplant-reading]", &[], "expected one of houseplant-readings");
}

#[test]
fn a_wrong_value_is_refused_with_what_was_expected() {
    refused("[plants]\nlow_readings_limit = -1", &[], "to -1, expected a whole number from 0");
    refused(
        "[plants]\nsilent_minutes = 2",
        &[],
        "sets plants.silent_minutes: 2, expected 3 or more",
    );
    assert_eq!(load("[plants]\nsilent_minutes = 3", &[]).unwrap().plants.silent_minutes, 3);
    assert_eq!(load("[plants]\nsilent_minutes = 0", &[]).unwrap().plants.silent_minutes, 0);
    refused("time_zone = 'Berlin'", &[], "\"Berlin\", expected a name such as Europe/Berlin");
    let variables = [("WINDOWSILL_PLANTS__LOW_READINGS_LIMIT", "many")];
    refused("", &variables, "WINDOWSILL_PLANTS__LOW_READINGS_LIMIT sets");
    refused("[topics.houseplant-readings]\npartitions = 0", &[], "expected 1 to 1000 partitions");
    refused("[kafka]\nreplication_factor = 0", &[], "expected 1 to 32767 brokers for each record");
    let same = "[topics.houseplant-readings]\nname = 'houseplant-metadata'";
    refused(same, &[], "it has the same name as");
}

#[test]
fn a_broken_file_is_refused_without_quoting_it() {
    let error = load("[telegram]\ntoken = 12:SECRET", &[]).unwrap_err();
    assert!(error.contains("windowsill.toml is not TOML: line 2"), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
}

#[test]
fn a_named_file_must_exist() {
    let (_dir, mut sources) = sources("", &[]);
    sources.file = Some(PathBuf::from("missing.toml"));
    let error = Config::load(&sources).unwrap_err().to_string();
    assert!(error.contains("missing.toml"), "{error}");
}

#[test]
fn the_time_zone_comes_from_tz_only_if_that_is_a_name() {
    let zone = |name| load("", &[("TZ", name)]).unwrap().time_zone.get().name();
    assert_eq!(zone("Europe/Berlin"), "Europe/Berlin");
    assert_eq!(zone("CET-1CEST"), "UTC");
}

#[test]
fn what_is_rendered_is_a_configuration_without_secrets() {
    let file = "time_zone = 'Asia/Tokyo'\n[topics.houseplant-readings]\nname = 'r'\npartitions = 2";
    let config = load(file, &[("TELEGRAM_BOT_TOKEN", "1:SECRET")]).unwrap();
    let text = render(&config);
    assert!(!text.contains("SECRET") && !format!("{config:?}").contains("SECRET"));
    assert!(text.contains("token = \"<set>\"  # TELEGRAM_BOT_TOKEN"), "{text}");
    assert!(text.contains("# The folder of the event log and the state.\ndata_dir = "), "{text}");
    let again = load(&text, &[]).unwrap();
    assert_eq!(render(&again).lines().count(), text.lines().count());
    assert_eq!(again.topic_name("houseplant-readings"), "r");
}

#[test]
fn every_key_that_a_file_can_hold_instead_is_a_secret_and_stays_hidden() {
    let keys = key_paths();
    let secrets: Vec<&str> = keys.iter().filter_map(|key| key.strip_suffix("_file")).collect();
    assert!(secrets.contains(&"telegram.token") && secrets.len() > 1, "{secrets:?}");
    for key in secrets {
        let variable = format!("WINDOWSILL_{}", key.replace('.', "__").to_uppercase());
        let config = load("", &[(&variable, "Zq7Secret")]).unwrap();
        let text = render(&config);
        assert!(text.contains(&format!("= \"<set>\"  # {variable}")), "{key}: {text}");
        assert!(!text.contains("Zq7Secret") && !format!("{config:?}").contains("Zq7Secret"));
    }
}

#[test]
fn properties_of_kafka_may_be_written_in_each_way_and_their_secrets_stay_hidden() {
    let file = "[kafka]\nbrokers = 'a:9092, b:9093'\n[kafka.properties]\n'sasl.username' = 'me'\n\
                'sasl.password_file' = 'password'\nssl.ca.location = 'ca.pem'\n";
    let set = ("WINDOWSILL_KAFKA__PROPERTIES__FETCH__WAIT__MAX__MS", "10");
    let (dir, sources) = sources(file, &[set, ("WINDOWSILL_KAFKA__CREATE_TOPICS", "false")]);
    std::fs::write(dir.path().join("password"), "Zq9-secret\n").unwrap();
    let config = Config::load(&sources).unwrap();
    assert!(!config.kafka.create_topics);
    let found = config.kafka.properties.reveal();
    let found: Vec<(&str, &str)> =
        found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted = [
        ("fetch.wait.max.ms", "10"),
        ("sasl.password", "Zq9-secret"),
        ("sasl.username", "me"),
        ("ssl.ca.location", "ca.pem"),
    ];
    assert_eq!(found, wanted);
    let shown = render(&config);
    assert!(shown.contains("\"sasl.username\" = \"me\"") && !shown.contains("Zq9"), "{shown}");
}

#[test]
fn properties_of_kafka_that_would_break_a_promise_are_refused() {
    let file = "[kafka]\nbrokers = 'a:9092'\n";
    let acks = ("WINDOWSILL_KAFKA__PROPERTIES__ACKS", "1");
    refused(file, &[acks], "kafka.properties.acks: \"1\", expected \"all\"");
    refused(file, &[acks], "what is said to be saved could be lost");
    let brokers = ("WINDOWSILL_KAFKA__PROPERTIES__BOOTSTRAP__SERVERS", "b:9092");
    refused(file, &[brokers], "expected the brokers in kafka.brokers");
}

#[test]
fn a_prefix_goes_before_names_that_are_not_set_by_themselves() {
    let file = "[kafka]\nbrokers = 'a:9092'\ntopic_prefix = 'home.'\n[topics.pcap]\nname = 'air'\n";
    let config = load(file, &[]).unwrap();
    assert_eq!(config.topic_name("pcap"), "air");
    assert_eq!(config.topic_name("houseplant-readings"), "home.houseplant-readings");
    refused("[kafka]\nbrokers = 'a'\n", &[], "expected host:port");
}

#[test]
fn a_calibration_is_two_raw_values_of_a_sensor_that_can_be() {
    let config = load("[sensor.calibration]\n'0x36' = [412, 987]", &[]).unwrap();
    assert_eq!(<[u16; 2]>::from(config.sensor.calibration["0x36"]), [412, 987]);
    let rendered = render(&config);
    assert!(rendered.contains("calibration = { \"0x36\" = [412, 987] }"), "{rendered}");
    for (pair, expected) in [
        ("'0x36' = [987, 412]", "dry is 987 and wet is 412"),
        ("'0x36' = [412, 9000]", "raw values are 0 to 4095"),
        ("'0x40' = [412, 987]", "\"0x40\" is no sensor, expected 0x36, 0x37, 0x38, 0x39"),
    ] {
        refused(&format!("[sensor.calibration]\n{pair}"), &[], expected);
    }
    refused("[sensor]\ninterval_seconds = 0", &[], "expected 1 to 600 seconds");
}

#[test]
fn a_token_for_http_fits_into_a_header_and_is_never_shown() {
    let config = load("", &[("WINDOWSILL_HTTP__TOKEN", "s3cret")]).unwrap();
    assert!(!render(&config).contains("s3cret"));
    for token in ["two words", "gr\u{fc}n"] {
        let variables = [("WINDOWSILL_HTTP__TOKEN", token)];
        refused(
            "",
            &variables,
            "WINDOWSILL_HTTP__TOKEN sets http.token: expected 1 to 1024 visible",
        );
    }
    for url in ["pi.local:8080", "http://user:pass@pi.local", "http://pi.local/?a=b"] {
        refused(&format!("[sensor]\nurl = '{url}'"), &[], "expected an address such as");
    }
    let url = load("[sensor]\nurl = 'http://pi.local:8080/'", &[]).unwrap().sensor.url.unwrap();
    assert_eq!(url.as_str(), "http://pi.local:8080");
}

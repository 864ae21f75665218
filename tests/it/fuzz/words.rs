//! What people type: numbers, names, ids, filters, answers in a conversation, and configurations.

use figment::Figment;
use figment::providers::{Format, Toml};
use windowsill::config::{Config, Sources};
use windowsill::kernel::dialog::Forms;
use windowsill::kernel::effect::Publish;
use windowsill::kernel::name::Name;
use windowsill::kernel::paging::Page;
use windowsill::kernel::settings::{Settings, Unit};
use windowsill::rooms::plants::chat::dialog::{
    Answer, Dialog, Form, Looked, Need, Next, Opened, Opening,
};
use windowsill::rooms::plants::chat::fields::{self, Field, FieldValue, Kind, Measure};
use windowsill::rooms::plants::filter::Filter;
use windowsill::rooms::plants::lookup::{Found, Offers, PlantRow};
use windowsill::rooms::plants::sensors::{SensorOffer, Situation};
use windowsill::rooms::plants::types::{PlantId, SensorId};

use super::input::{mutated, text_of};
use super::log::topic;
use super::{fuzz, fuzz_some};

const WORDS: &[&str] = &[
    "20.5",
    " 20,5 % ",
    "-3°C",
    "−3 °",
    "+7",
    "0",
    "100",
    "1e9",
    "abc",
    "Cyril",
    "Robin's fern",
    "2147483647",
    "Ficus  lyrata",
    "👨‍👩‍👧‍👦",
    "naïve",
    "٣",
    "9999999999999999999999999999999999999999",
    "0x36",
    "0X3A",
    "3B",
    "Greenhouse 2",
];

/// F30: what is accepted lies within the bounds that the question names, and reads the same again.
#[test]
fn fields_are_read_as_they_are_shown() {
    const OTHER: f32 = 20.0;
    const C: Unit = Unit::Celsius;
    // All names are read alike.
    let numbers = Field::ALL.into_iter().filter(|field| field.measure().is_some());
    let fields: Vec<Field> = numbers.chain([Field::GivenName]).collect();
    fuzz(
        |rng| mutated(rng, WORDS),
        |bytes| {
            let typed = text_of(bytes);
            for field in fields.iter().copied() {
                match (fields::parse(field, &typed, Some(OTHER), C), field.kind()) {
                    (Err(words), Kind::Number { .. }) => {
                        let words = words.to_plain();
                        let named = ["between", "below", "above"];
                        assert!(named.iter().any(|named| words.contains(named)), "{words}");
                    }
                    (Err(words), Kind::Name) => {
                        assert!(words.to_plain().starts_with("A name has "));
                    }
                    (Ok(FieldValue::Name(name)), _) => {
                        assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
                        assert!(!name.chars().any(char::is_control));
                    }
                    (Ok(FieldValue::Number(number)), kind) => {
                        let Kind::Number { least, most, above, .. } = kind else {
                            panic!("a name that is a number");
                        };
                        let is_beyond =
                            if above.is_some() { number > OTHER } else { number < OTHER };
                        assert!(is_beyond && (least..=most).contains(&number));
                        let shown = FieldValue::Number(number).shown(field, C);
                        let again = fields::parse(field, &shown, Some(OTHER), C);
                        assert_eq!(again, Ok(FieldValue::Number(number)));
                    }
                }
            }
        },
    );
}

/// A temperature in Fahrenheit shows as it was read, however it was typed.
#[test]
fn fahrenheit_is_read_as_it_is_shown() {
    const F: Unit = Unit::Fahrenheit;
    fuzz(
        |rng| mutated(rng, WORDS),
        |bytes| {
            let read = |text: &str| Measure::Temperature.parse(text, F);
            let Some(number) = read(&text_of(bytes)).filter(|number| number.abs() < 1e3) else {
                return;
            };
            let shown = Measure::Temperature.shown(number, F);
            let again = read(&shown).unwrap();
            assert_eq!(Measure::Temperature.shown(again, F), shown);
        },
    );
}

/// F30: an id has one form, which is the key of its records.
#[test]
fn ids_have_one_form_however_they_are_typed() {
    fuzz(
        |rng| mutated(rng, WORDS),
        |bytes| {
            let typed = text_of(bytes);
            match typed.parse::<PlantId>() {
                Ok(id) => {
                    assert!(id.get() >= 0);
                    let key = String::from_utf8(id.key()).unwrap();
                    assert_eq!(key.parse::<PlantId>().unwrap(), id);
                }
                Err(error) => assert!(error.to_string().contains("expected")),
            }
            match SensorId::typed(&typed) {
                Ok(id) => {
                    assert_eq!(SensorId::try_from(id.as_str().to_owned()), Ok(id.clone()));
                    assert!(!id.as_str().chars().any(char::is_control));
                }
                Err(error) => assert!(error.to_string().starts_with("a sensor id has ")),
            }
        },
    );
}

#[test]
fn filters_are_read_as_they_are_shown() {
    const FILTERS: &[&str] =
        &["moisture_low > 20", "Moisture_High<=60,5%", "temperature_low=15 °C"];
    fuzz(
        |rng| mutated(rng, FILTERS),
        |bytes| match Filter::parse(&text_of(bytes), Unit::Celsius) {
            Ok(filter) => {
                let shown = filter.shown(Unit::Celsius);
                assert_eq!(Filter::parse(&shown, Unit::Celsius), Ok(filter));
            }
            Err(words) => assert!(words.to_plain().contains("/plants moisture_low > 20")),
        },
    );
}

fn offers() -> Offers {
    let page = Page { number: i64::MAX - 1, pages: i64::MAX };
    Offers { plants: vec![(3, "Fern".to_owned())], page, free_id: i32::MAX }
}

fn sensors() -> Vec<SensorOffer> {
    let sensor = |sensor_id: &str| SensorOffer { sensor_id: sensor_id.to_owned(), note: None };
    vec![sensor("0x36"), sensor("Greenhouse 2")]
}

fn situation() -> Situation {
    let sharers = vec!["0x37".to_owned()];
    Situation { fed: Some((3, "Fern".to_owned())), sharers, ..Situation::default() }
}

/// The plant that is offered, with a sensor.
fn fern() -> (Found, Vec<String>) {
    let fern = PlantRow {
        plant_id: 3,
        given_name: "Fern".to_owned(),
        common_name: "Some Fern".to_owned(),
        scientific_name: "Filix quaedam".to_owned(),
        temperature_low: 15.0,
        temperature_high: 30.0,
        moisture_low: 25.0,
        moisture_high: 65.0,
        event_ms: None,
        moisture: None,
        temperature: None,
    };
    (Found { matches: vec![fern], ..Found::default() }, vec!["0x37".to_owned()])
}

fn opened(opening: &Opening) -> Opened {
    match opening {
        Opening::Plant(typed) if typed.contains(' ') => Opened::Plant(offers(), Some(fern().0)),
        Opening::Plant(_) => Opened::Plant(offers(), Some(Found::default())),
        Opening::Mapping(_) => Opened::Mapping(sensors(), offers(), Some(situation())),
        Opening::Unmap(_) => Opened::Unmap(sensors(), Some(situation())),
        Opening::Sensor(_) => Opened::Mapping(sensors(), offers(), Some(situation())),
        Opening::Delete(typed) if typed.is_empty() => Opened::Delete(offers(), None),
        Opening::Delete(_) => Opened::Delete(offers(), Some(fern())),
    }
}

/// An edit has records, and all of them fold.
pub(super) fn folds(edit: &Publish) {
    let topic = topic(edit.topic);
    assert!(!edit.records.is_empty());
    for record in &edit.records {
        let value = record.value.as_ref().map(|value| topic.codec.encode(value).unwrap());
        let (key, check) = (Some(record.key.as_slice()), topic.spec.check);
        assert_eq!(check(&topic.codec, key, value.as_deref()), Ok(()));
    }
}

/// What somebody says next: the words, and a number that picks what they tap.
fn answer_of(words: &str, pick: usize) -> Answer {
    const TAPS: [&str; 9] =
        ["skip", "keep", "default", "back", "y", "n", "skip", "replace", "both"];
    match pick % 16 {
        tap @ ..9 => Answer::of_word(TAPS[tap]).unwrap(),
        9 => Answer::Picked(words.len() % 3),
        10 => Answer::Again(Opening::Plant(words.to_owned())),
        11 => Answer::Again(Opening::Mapping(words.to_owned())),
        12 => Answer::Again(Opening::Unmap(words.to_owned())),
        13 => Answer::Again(Opening::Delete(words.to_owned())),
        14 => Answer::Turn(i64::MAX - 1),
        _ => Answer::Typed(words.to_owned()),
    }
}

/// F28, F29: whatever is answered, the conversation can be stored and asked about again, its
/// buttons fit, and what it publishes folds. A case is twenty answers.
#[test]
fn a_conversation_bears_any_answers() {
    const ANSWERS: usize = 20;
    const BUTTON_BYTES: usize = 64;
    let begin = |pick: usize| {
        let typed = String::new();
        let opening = match pick % 6 {
            0 => Opening::Plant(typed),
            1 => Opening::Mapping(typed),
            2 => Opening::Sensor("0x36".to_owned()),
            3 => Opening::Delete(typed),
            4 => Opening::Plant("3 moisture_low".to_owned()),
            _ => Opening::Unmap(typed),
        };
        match Form::open(&opening, opened(&opening)) {
            Some(Next::Ask(dialog, _)) => dialog,
            other => panic!("it begins with a question: {other:?}"),
        }
    };
    fuzz_some(
        ANSWERS as u64,
        |rng| {
            let answer = |_| [&[rng.u8(b'A'..=b'Z')][..], &mutated(rng, WORDS), b"\n"].concat();
            (0..ANSWERS).flat_map(answer).collect()
        },
        |bytes| {
            let text = text_of(bytes);
            let unit = if bytes.len() % 2 == 0 { Unit::Celsius } else { Unit::Fahrenheit };
            let settings = Settings { unit, ..Settings::default() };
            let mut dialog = begin(bytes.len());
            for line in text.split('\n') {
                let pick = line.bytes().next().map_or(0, usize::from);
                let words: String = line.chars().skip(1).collect();
                let answer = answer_of(&words, pick);
                let looked = match dialog.needs(&answer) {
                    Need::Nothing => Looked::Nothing,
                    Need::Situation { .. } => Looked::Situation(Box::new(situation())),
                    Need::Plant(_) => Looked::Plant(Found::default()),
                    Need::Now(3) => Looked::Now(fern().0.matches.pop()),
                    Need::Now(_) => Looked::Now(None),
                    Need::Offers(_) => Looked::Offers(offers()),
                    Need::WithSensors(typed) if typed == "3" => {
                        let (found, sensors) = fern();
                        Looked::WithSensors(found, sensors)
                    }
                    Need::WithSensors(_) => Looked::WithSensors(Found::default(), Vec::new()),
                    Need::Opening(opening) => Looked::Opened(Box::new(opened(&opening))),
                };
                assert!(!dialog.answered(&answer, 1, &settings).text.to_plain().trim().is_empty());
                dialog = match dialog.answer(&answer, looked, &settings) {
                    Next::Ask(dialog, _) => {
                        let stored = serde_json::to_value(&dialog).unwrap();
                        assert_eq!(serde_json::from_value::<Dialog>(stored).unwrap(), dialog);
                        let question = dialog.question(i64::MAX, &settings);
                        assert!(!question.text.to_plain().trim().is_empty());
                        let mut buttons = question.keyboard.iter().flatten();
                        assert!(buttons.all(|button| {
                            button.data().is_none_or(|data| data.len() <= BUTTON_BYTES)
                        }));
                        dialog
                    }
                    Next::End(_) => begin(pick),
                    Next::Resume(held) => panic!("nothing was held: {held:?}"),
                    Next::Publish(edits) => {
                        edits.iter().for_each(folds);
                        begin(pick)
                    }
                };
            }
        },
    );
}

const FILES: &[&str] = &[
    "data_dir = './x'\ntime_zone = 'Europe/Berlin'\n[telegram]\nowners = [1, 2]\ntoken = '1:a'",
    "[topics.houseplant-readings]\nname = 'soil'\npartitions = 3\n[http]\nlisten = '[::1]:0'",
    "[plants]\nlow_readings_limit = 120\n[webhook]\nurl = 'https://a.example/x' # comment\n",
];

/// F38: a file is a configuration or is refused with words.
#[test]
fn a_configuration_file_is_read_or_refused_with_words() {
    fuzz(
        |rng| mutated(rng, FILES),
        |bytes| match Figment::from(Toml::string(&text_of(bytes))).extract::<Config>() {
            Ok(config) => assert!(!config.time_zone.get().name().is_empty()),
            Err(error) => assert!(!error.to_string().trim().is_empty()),
        },
    );
}

/// F38: with variables beside the file, it is loaded or refused with words, and no words quote the
/// file, on which a token may stand. One in twenty: each is a file, and looks for similar keys.
#[test]
fn a_configuration_is_loaded_or_refused_with_words_that_quote_no_line() {
    const VARIABLES: &[&str] = &[
        "WINDOWSILL_DATA_DIR=./x",
        "WINDOWSILL_TELEGRAM__OWNERS=1,2",
        "TELEGRAM_BOT_TOKEN=1:a",
        "WINDOWSILL_TELEGRAM__TOKEN_FILE=/nowhere",
        "TZ=UTC",
        "WINDOWSILL_HTTP__LISTEN=1",
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("windowsill.toml");
    fuzz_some(
        20,
        |rng| [mutated(rng, VARIABLES), vec![b'\n'], mutated(rng, FILES)].concat(),
        |bytes| {
            let end = bytes.iter().position(|it| *it == b'\n').unwrap_or(0);
            let (variable, text) = bytes.split_at(end);
            std::fs::write(&file, text).unwrap();
            let variable = text_of(variable);
            let variables = variable.split_once('=').into_iter();
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let sources = Sources {
                working_dir: dir.path().to_owned(),
                variables: variables.collect(),
                ..Sources::default()
            };
            if let Err(error) = Config::load(&sources) {
                let words = error.to_string();
                assert!(!words.trim().is_empty());
                // The parser shows lines behind a bar.
                assert!(!words.contains(" | "), "{words}");
            }
        },
    );
}

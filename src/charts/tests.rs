use super::*;
use crate::kernel::picture::{Calendar, Day, Gauge, Measure, Overview, Series, Tick, Title};

/// What a picture may weigh.
const SIZE_MAX_BYTES: usize = 60_000;

fn picture(name: &str, peak: i64) -> Picture {
    let day = |index: i64| Day {
        label: format!("Sat {index}"),
        hours: (0..24).map(|hour| Some((hour * 7 + index * 13) % 11 * peak / 10)).collect(),
    };
    Picture {
        title: Title::new(name, "40:ec:99:1f:3e:75"),
        facts: vec!["Last seen Sat 28 Nov 14:05".to_owned(), "Busiest hour …".to_owned()],
        drawing: Drawing::Calendar(Calendar {
            counted: "probes".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            days: (22..29).map(day).collect(),
        }),
    }
}

/// The pixels of a PNG, three bytes each.
fn pixels(png: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    (info.width, info.height, bytes)
}

#[test]
fn a_picture_is_a_small_png_of_the_promised_size_with_something_on_it() {
    let png = draw(&picture("Kitchen tablet", 42)).unwrap();
    let (width_px, height_px, bytes) = pixels(&png);
    assert_eq!((width_px, height_px), (WIDTH_PX, HEIGHT_PX));
    assert!(png.len() < SIZE_MAX_BYTES, "{} bytes", png.len());
    let paper = &bytes[..3];
    let drawn = bytes.chunks(3).filter(|pixel| *pixel != paper).count();
    assert!(drawn * 4 > bytes.len() / 3, "{drawn} pixels are no paper");
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    assert_eq!(draw(&picture("tv", 9)).unwrap(), draw(&picture("tv", 9)).unwrap());
    assert_ne!(draw(&picture("tv", 9)).unwrap(), draw(&picture("tv", 8)).unwrap());
}

/// F31: whatever a device is called, there is a picture, and a name that cannot be drawn gives way
/// to the address.
#[test]
fn hostile_and_foreign_names_give_a_picture() {
    let address = draw(&picture("40:ec:99:1f:3e:75", 42)).unwrap();
    for name in ["客厅电视", "تلفون آنا", "ทีวี", "\u{200b}", "", &"🎉".repeat(64)]
    {
        assert_eq!(draw(&picture(name, 42)).unwrap(), address, "{name:?}");
    }
    let marks = ["\0", "\u{1b}[31mred", "\u{202e}evil", "<b>&\"", "a\nb", &"W".repeat(5_000)];
    for name in marks {
        let png = draw(&picture(name, 42)).unwrap();
        assert_ne!(png, address, "{name:?}");
        assert!(png.len() < SIZE_MAX_BYTES, "{} bytes", png.len());
    }
}

#[test]
fn counts_of_any_size_are_drawn() {
    for peak in [0, 1, i64::MAX / 100, -5] {
        let png = draw(&picture("tv", peak)).unwrap();
        assert!(png.len() < SIZE_MAX_BYTES, "{} bytes", png.len());
    }
    let mut empty = picture("tv", 1);
    let Drawing::Calendar(calendar) = &mut empty.drawing else { panic!("{empty:?}") };
    calendar.days.clear();
    draw(&empty).unwrap();
}

/// A week of half hours, with a gap of a day.
fn series(noise: i64) -> Picture {
    let value = |cell: i64| {
        let jitter = (cell * 7_919 % 13 - 6) * noise;
        (!(96..144).contains(&cell)).then_some(60_000 - cell * 120 + jitter)
    };
    let values: Vec<Option<i64>> = (0..336).map(value).collect();
    let tick = |day: usize| Tick { cell: 20 + day * 48, label: format!("Sat {}", 21 + day) };
    let moisture = Measure {
        label: "Moisture, %".to_owned(),
        low: 30_000,
        high: 55_000,
        values: values.clone(),
    };
    let temperature = Measure {
        label: "Temperature, °C".to_owned(),
        low: 15_000,
        high: 30_500,
        values: values.iter().map(|value| value.map(|value| value / 2)).collect(),
    };
    let series = Series {
        measures: vec![moisture, temperature],
        ticks: (0..7).map(tick).collect(),
        marks: vec![100, 335],
    };
    Picture {
        title: Title::new("Cyril", "Plant 0"),
        facts: vec!["23.4 %, 21.5 °C · 12 s ago".to_owned()],
        drawing: Drawing::Series(series),
    }
}

fn overview(plants: i64, name: impl Fn(i64) -> String) -> Picture {
    let gauge = |plant: i64| Gauge {
        title: Title::new(&name(plant), &format!("Plant {plant}")),
        value: (plant % 7 > 0).then_some(plant * 3_100 % 100_000),
        low: 30_000,
        high: 60_000,
        is_old: plant % 5 == 0,
        beside: (plant % 4 == 1).then(|| "cold".to_owned()),
    };
    Picture {
        title: Title::new(&format!("{plants} plants"), "Plants"),
        facts: vec!["Moisture, %: 3 dry, 1 silent".to_owned()],
        drawing: Drawing::Overview(Overview { gauges: (0..plants).map(gauge).collect() }),
    }
}

#[test]
fn pictures_of_plants_are_small_however_noisy_and_many_they_are() {
    let noisy = (0..3).map(|noise| series(noise * 2_000));
    let many = [1, 9, 10, 30, 200].map(|plants| overview(plants, |it| format!("Wœßmñ {it}")));
    for picture in noisy.chain(many) {
        let png = draw(&picture).unwrap();
        let (width_px, height_px, _) = pixels(&png);
        assert_eq!((width_px, height_px), (WIDTH_PX, HEIGHT_PX));
        assert!(png.len() < SIZE_MAX_BYTES, "{} bytes: {:?}", png.len(), picture.title);
    }
}

#[test]
fn a_gap_is_a_gap_and_not_a_line() {
    let drawn = |picture: &Picture| pixels(&draw(picture).unwrap()).2;
    let mut plain = series(0);
    let Drawing::Series(inner) = &mut plain.drawing else { panic!("{plain:?}") };
    inner.marks.clear();
    let with_gap = drawn(&plain);
    let Drawing::Series(inner) = &mut plain.drawing else { panic!("{plain:?}") };
    inner.measures[0].values[120] = Some(50_000);
    let with_point = drawn(&plain);
    // Half an hour in the gap is some three pixels of 1280: only around it something was drawn.
    let differs = |at: &usize| with_gap[*at..*at + 3] != with_point[*at..*at + 3];
    let columns = (0..with_gap.len()).step_by(3).filter(differs).map(|at| at / 3 % 1280);
    let columns: Vec<usize> = columns.collect();
    let (first, last) = (columns.iter().min().unwrap(), columns.iter().max().unwrap());
    assert!(last - first < 12 && (400..600).contains(first), "{first}..{last}");
}

#[test]
fn a_series_of_nothing_and_values_of_any_size_are_drawn() {
    for value in [None, Some(0), Some(i64::MAX / 4), Some(i64::MIN / 4)] {
        let mut picture = series(0);
        let Drawing::Series(inner) = &mut picture.drawing else { panic!("{picture:?}") };
        inner.measures[0].values.fill(value);
        inner.measures[1].values.clear();
        draw(&picture).unwrap();
        draw_without_measures(picture);
    }
}

fn draw_without_measures(mut picture: Picture) {
    let Drawing::Series(inner) = &mut picture.drawing else { panic!("{picture:?}") };
    inner.measures.clear();
    draw(&picture).unwrap();
}

/// A name in any script is written whole, or its number is.
#[test]
fn a_plants_name_that_the_font_lacks_gives_way_to_its_number() {
    let numbers = draw(&overview(12, |plant| format!("Plant {plant}"))).unwrap();
    for name in ["客厅绿萝", "نبتة", "ต้นไม้", "🌱", ""] {
        assert_eq!(draw(&overview(12, |_| name.to_owned())).unwrap(), numbers, "{name:?}");
    }
}

use super::*;
use crate::kernel::picture::{Calendar, Day};

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

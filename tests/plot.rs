//! Charts: well-formed, the same every time, small, and an error instead of a wrong picture.

use mlnotes::plot::{self, Chart, Figure};
use mlnotes::prelude::*;
use ndarray::{Array2, array};

const HOSTILE: &str = "感知器 <b>&\"'\u{1b}\u{0}\u{fffe} ]]> --> </svg>";

/// One figure of each kind, with everything switched on and hostile text everywhere.
fn gallery() -> Vec<Figure> {
    let x = [0.0, 1.0, 2.0, 3.0];
    let points = plot::scatter(x, [1.0, f64::NAN, 0.5, 2.0]).classes([0, 1, 0, 1], &[HOSTILE, "b"]);
    let lines = plot::line(x, &[(HOSTILE, [1.0, 2.0, f64::NAN, 4.0]), ("b", [1e-3, 5.0, 2.0, 1.0])]);
    let square = array![[1.0, f64::NAN], [-3.0, 4.0]];
    vec![
        lines
            .clone()
            .title(HOSTILE)
            .labels(HOSTILE, HOSTILE)
            .hline(2, HOSTILE)
            .vline(1, "v")
            .note(1, 2, HOSTILE)
            .finish(),
        lines.log_y().markers().finish(),
        points.regions(|x, y| usize::from(x > y)).title(HOSTILE).finish(),
        plot::histogram(&[(HOSTILE, x), ("b", [1.0, 1.0, 2.0, f64::NAN])]).density().bins(4).finish(),
        plot::heatmap(&square).names(&[HOSTILE, "b"], &["c", HOSTILE]).diverging().annotate().title(HOSTILE).finish(),
        plot::bar([HOSTILE, "b"], &[(HOSTILE, [1.0, -2.0]), ("d", [f64::NAN, 3.0])])
            .values()
            .labels("", HOSTILE)
            .finish(),
    ]
    .into_iter()
    .map(Result::unwrap)
    .collect()
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

/// The numbers of a list attribute, in pixels.
fn points(node: roxmltree::Node<'_, '_>) -> Vec<(f64, f64)> {
    let pair = |text: &str| text.split_once(',').map(|(x, y)| (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap()));
    node.attribute("points")
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(pair)
        .map(|(x, y)| (x / 10.0, y / 10.0))
        .collect()
}

fn of_colour<'a>(document: &'a roxmltree::Document<'a>, name: &str, colour: &str) -> Vec<roxmltree::Node<'a, 'a>> {
    let paint =
        |node: &roxmltree::Node<'_, '_>| [node.attribute("stroke"), node.attribute("fill")].contains(&Some(colour));
    document.descendants().filter(|node| node.has_tag_name(name) && paint(node)).collect()
}

const BLUE: &str = "#0072B2";

/// Red once with `printable` returning the text as it came: control characters are no XML.
#[test]
fn figures_are_well_formed_and_carry_their_theme() {
    for figure in gallery() {
        let svg = figure.svg();
        let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("class")), ("svg", Some("mln-fig")));
        assert_eq!(root.attribute("role"), Some("img"));
        assert_eq!(root.attribute("viewBox"), Some("0 0 6400 4000"));
        assert_eq!(root.first_element_child().unwrap().tag_name().name(), "style");
        assert!(svg.contains("@media (prefers-color-scheme:dark)") && svg.contains("<title>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains(" id="), "{svg}");
        assert_eq!(root.children().filter(|child| child.has_tag_name("title")).count(), 1);
        assert!(
            document.descendants().any(|node| node.text().is_some_and(|text| text.contains("感")))
                || !svg.contains('感')
        );
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
        // What is drawn in a colour of the theme has a rule for dark pages.
        for node in document.descendants() {
            for (attribute, value) in [("fill", node.attribute("fill")), ("stroke", node.attribute("stroke"))] {
                let Some(value) = value.filter(|value| *value == "#FFFFFF" || *value == "#1F2328") else { continue };
                assert!(svg.contains(&format!(".mln-fig [{attribute}=\"{value}\"]")), "{attribute} {value}");
            }
        }
    }
}

/// Red once with the time of day in the title.
#[test]
fn the_same_data_give_the_same_bytes() {
    assert_eq!(gallery(), gallery());
}

/// Red once with x and y exchanged in `Frame::at`, and once with the y axis not turned round.
#[test]
fn points_lie_where_the_axes_say() {
    let figure = plot::line([0, 5, 10], &[("", [0.0, 1.0, 4.0])]).x_range(0, 10).y_range(0, 4).finish().unwrap();
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let lines = of_colour(&document, "polyline", BLUE);
    let path = points(lines[0]);
    let [(x0, y0), (x1, y1), (x2, y2)] = path[..] else { panic!("{path:?}") };
    assert!(x0 < x1 && x1 < x2 && y0 > y1 && y1 > y2, "{path:?}");
    assert!(((x1 - x0) / (x2 - x0) - 0.5).abs() < 1e-3 && ((y1 - y0) / (y2 - y0) - 0.25).abs() < 1e-3, "{path:?}");
    // A logarithmic axis makes equal ratios equal distances.
    let figure = plot::line([1.0, 10.0, 1000.0], &[("", [1, 2, 3])]).log_x().finish().unwrap();
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let path = points(of_colour(&document, "polyline", BLUE)[0]);
    assert!(((path[1].0 - path[0].0) / (path[2].0 - path[0].0) - 1.0 / 3.0).abs() < 1e-3, "{path:?}");
}

/// Red once with NaN points filtered out before the line is split.
#[test]
fn nan_leaves_a_gap_and_a_lonely_point_a_marker() {
    let y = [1.0, 2.0, f64::NAN, 3.0, f64::NAN, 1.0, 2.0];
    let figure = plot::line(0..7, &[("", y)]).finish().unwrap();
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    assert_eq!(of_colour(&document, "polyline", BLUE).iter().map(|n| points(*n).len()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(of_colour(&document, "circle", BLUE).len(), 1);
}

/// Red once with `blocks` dropping the blocks that are still open at the last row.
#[test]
fn decision_regions_cover_the_plane_in_few_rectangles() {
    let chart = plot::scatter([0.0, 4.0], [0.0, 3.0]).classes([0, 1], &["a", "b"]).x_range(0, 4).y_range(0, 3);
    let figure = chart.regions(|x, y| usize::from((x - 2.0).hypot(y - 1.5) < 1.0)).finish().unwrap();
    assert!(figure.svg().len() < 60_000, "{} bytes", figure.svg().len());
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let area = |colour: &str| -> f64 {
        let side = |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let in_regions =
            |node: &roxmltree::Node<'_, '_>| node.parent().is_some_and(|g| g.attribute("opacity") == Some(".22"));
        let rects = of_colour(&document, "rect", colour).into_iter().filter(in_regions);
        rects.map(|node| side(&node, "width") * side(&node, "height")).sum()
    };
    let (outside, inside) = (area(BLUE), area("#D55E00"));
    let share = inside / (inside + outside);
    assert!((share - std::f64::consts::PI / 12.0).abs() < 0.01, "{share}");
}

/// Red once with the last bin's upper end left out: the maximum was lost.
#[test]
fn histograms_count_every_value_once() {
    let values: Vec<f64> = (0..=100).map(f64::from).collect();
    let figure = plot::histogram(&[("", &values)]).bins(4).finish().unwrap();
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let height = |node: roxmltree::Node<'_, '_>| node.attribute("height").unwrap().parse::<f64>().unwrap();
    let bars: Vec<f64> = of_colour(&document, "rect", BLUE).into_iter().map(height).collect();
    // 0..25, 25..50, 50..75, 75..=100 hold 25, 25, 25 and 26 values.
    assert_eq!(bars.len(), 4);
    assert!((bars[3] / bars[0] - 26.0 / 25.0).abs() < 2e-3, "{bars:?}");
}

#[test]
fn what_cannot_be_drawn_is_an_error_with_a_remedy() {
    let none: [f64; 0] = [];
    let nan = f64::NAN;
    let cases = [
        (message(plot::line(none, &[("a", none)]).finish()), "is empty"),
        (message(plot::line(0..2, &[] as &[(&str, [f64; 2])]).finish()), "no series"),
        (message(plot::line(0..2, &[("a", [nan, nan])]).finish()), "nothing but NaN"),
        (message(plot::line(0..3, &[("a", [1.0, 2.0])]).finish()), "has 2 values, but x has 3"),
        (message(plot::line(0..2, &[("a", [1.0, f64::INFINITY])]).finish()), "holds inf at [1]"),
        (message(plot::line(0..2, &[("a", [1.0, 0.0])]).log_y().finish()), "logarithmic axis cannot show 0"),
        (message(plot::line([-1, 2], &[("a", [1.0, 1.0])]).log_x().finish()), "logarithmic axis cannot show -1"),
        (message(plot::line(0..2, &[("a", [1.0, 1e305])]).finish()), "beyond 1e300"),
        (message(plot::line(0..2, &[("a", [1, 2])]).x_range(2, 1).finish()), "finite and rising"),
        (message(plot::line(0..2, &[("a", [1, 2])]).y_range(nan, 1).finish()), "finite and rising"),
        (message(plot::line(0..2, &[("a", [1, 2])]).y_range(0, 1).log_y().finish()), "cannot start at 0"),
        (message(plot::line(0..2, &[("a", [1, 2])]).hline(nan, "").finish()), "stands at NaN"),
        (message(plot::line(0..2, &[("a", [1, 2])]).size(0, 100).finish()), "outside 160 to 4000"),
        (
            message(plot::line(0..2, &[("a", [1, 2])]).size(160, 160).title("x ".repeat(200)).finish()),
            "make the figure larger",
        ),
        (message(plot::scatter(none, none).finish()), "is empty"),
        (message(plot::scatter([1.0], [1.0]).classes([1], &["a"]).finish()), "count classes from 0"),
        (message(plot::scatter([1.0], [1.0]).classes([-1], &["a"]).finish()), "no index"),
        (message(plot::scatter([1.0, 2.0], [1.0, 2.0]).classes([0], &["a"]).finish()), "has 1 values, but x has 2"),
        (message(plot::scatter([1.0, 2.0], [1.0, 2.0]).regions(|_, _| 0).log_x().finish()), "linear axes"),
        (message(plot::scatter(none, none).regions(|_, _| 0).finish()), "is empty"),
        (message(plot::histogram(&[("a", none)]).finish()), "is empty"),
        (message(plot::histogram(&[("a", [1.0])]).bins(0).finish()), "outside 1 to 2000"),
        (message(plot::histogram(&[("a", [1.0])]).log_x().finish()), "equally wide"),
        (message(plot::heatmap(&Array2::<f64>::zeros((0, 3))).finish()), "is empty"),
        (message(plot::heatmap(&array![[nan]]).finish()), "nothing but NaN"),
        (message(plot::heatmap(&array![[f64::INFINITY]]).finish()), "holds inf"),
        (message(plot::heatmap(&array![[1.0]]).limits(1, 1).finish()), "finite and rising"),
        (message(plot::heatmap(&array![[1.0]]).names(&["a", "b"], &["c"]).finish()), "has 2 values"),
        (message(plot::bar([] as [&str; 0], &[("a", none)]).finish()), "no bars"),
        (message(plot::bar(["a", "b"], &[("x", [1.0])]).finish()), "has 1 values"),
    ];
    for (message, part) in cases {
        assert!(message.starts_with("the figure cannot be drawn: ") && message.contains(part), "{part}: {message}");
    }
}

/// A cell that ends with a chart that cannot be drawn shows the sentence, in both forms.
#[test]
fn a_chart_that_cannot_be_drawn_says_so_where_it_stands() {
    let chart: Chart<plot::Line> = plot::line(0..2, &[("<a>", [1.0, f64::INFINITY])]);
    assert!(chart.to_text().contains("holds inf at [1]"));
    let mlnotes::display::Rich::Html(html) = chart.to_rich() else { panic!("a picture of nothing") };
    assert!(html.contains("&lt;a&gt;") && html.contains("holds inf at [1]"), "{html}");
}

/// Ranges on which plotters' own ticks panic, loop or vanish. Red (without end) once with a logarithmic range padded
/// down to 0.
#[test]
fn awkward_ranges_are_drawn() {
    let ranges = [
        [0.0, 0.0],
        [1e-300, 2e-300],
        [-1e299, 1e299],
        [1e9, 1e9 + 1e-6],
        [1.0, 1.0 + f64::EPSILON],
        [-0.0, f64::MIN_POSITIVE],
        [5e-324, 1e-323],
        [0.1 + 0.2, 0.3],
        [1e16, 1e16 + 2.0],
    ];
    for y in ranges {
        for figure in [
            plot::line([0, 1], &[("a", y)]).finish(),
            plot::scatter(y, y).finish(),
            plot::histogram(&[("a", y)]).finish(),
            plot::heatmap(&array![y]).annotate().finish(),
            plot::bar(["a", "b"], &[("a", y)]).values().finish(),
        ] {
            let svg = figure.unwrap_or_else(|error| panic!("{y:?}: {error}")).svg().to_string();
            assert!(svg.len() < 60_000 && !svg.contains("NaN") && !svg.contains("inf<"), "{y:?}");
        }
    }
    for y in [[1e-300, 1e299], [1.0, 1.0], [0.5, 0.6], [1e-3, 1e4]] {
        plot::line([0, 1], &[("a", y)]).log_y().finish().unwrap_or_else(|error| panic!("{y:?}: {error}"));
    }
    plot::line([0, 1], &[("a", [0.5, 1.0])]).y_range(5e-324, 1.0).log_y().finish().unwrap();
    // A point far outside a fixed range.
    plot::line([0.0, 1.0], &[("a", [0.0, 1e299])]).y_range(0, 1e-9).finish().unwrap();
}

/// Red once with labels kept whatever their distance.
#[test]
fn tick_labels_do_not_touch() {
    for (low, high) in [(0.0, 1.0), (-12345.678, 98765.4), (1e9, 1e9 + 3.0), (0.0, 1e-5), (-1e6, 1e6), (3.0, 3.1)] {
        for (width, height) in [(240, 180), (640, 400), (1200, 300)] {
            let figure = plot::line([low, high], &[("", [low, high])]).size(width, height).finish().unwrap();
            let document = roxmltree::Document::parse(figure.svg()).unwrap();
            let number = |node: &roxmltree::Node<'_, '_>, name: &str| {
                node.attribute(name).unwrap().parse::<f64>().unwrap() / 10.0
            };
            let labels = || document.descendants().filter(|node| node.has_tag_name("text"));
            let mut across: Vec<(f64, f64)> = labels()
                .filter(|node| node.attribute("text-anchor") == Some("middle"))
                .map(|node| (number(&node, "x"), node.text().unwrap_or_default().trim().chars().count() as f64 * 6.4))
                .collect();
            across.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(!across.is_empty());
            for two in across.windows(2) {
                assert!(
                    two[0].0 + two[0].1 / 2.0 + 4.0 < two[1].0 - two[1].1 / 2.0,
                    "{low}..{high} at {width}: {across:?}"
                );
            }
            let mut down: Vec<f64> = labels()
                .filter(|node| node.attribute("text-anchor") == Some("end"))
                .map(|node| number(&node, "y"))
                .collect();
            down.sort_by(f64::total_cmp);
            assert!(down.windows(2).all(|two| two[1] - two[0] > 12.0), "{low}..{high} at {height}: {down:?}");
        }
    }
}

/// Red once with `coarsen` returning its input.
#[test]
fn large_figures_stay_small() {
    let noise = Array2::from_shape_fn((500, 700), |(i, j)| ((i * 7919 + j * 104_729) % 1009) as f64);
    let svg = plot::heatmap(&noise).finish().unwrap().svg().len();
    assert!(svg < 300_000, "{svg} bytes");
    let x: Vec<f64> = (0..1000).map(f64::from).collect();
    let svg = plot::line(&x, &[("a", &x)]).finish().unwrap().svg().len();
    assert!(svg < 25_000, "{svg} bytes");
}

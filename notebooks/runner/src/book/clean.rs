//! Everything that comes out of a notebook passes here: no script, no handler, nothing loaded from elsewhere.
//!
//! One list of elements and attributes for HTML, MathML and SVG; ammonia does the parsing and the removing. What is
//! unknown is dropped, its text kept; `script`, `style` and the like go with their content ([`css`] keeps harmless style
//! sheets of outputs).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use ammonia::Builder;

use super::css;
use super::image::{self, Images};

const TAGS: &str = "
    a abbr b bdi bdo blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2
    h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp section small span strong sub summary sup table
    tbody td tfoot th thead time tr u ul var wbr
    math annotation maction menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms
    mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none semantics
    svg circle clipPath defs desc ellipse g line linearGradient marker mask path pattern polygon polyline radialGradient
    rect stop symbol text title tspan use";

const ATTRIBUTES: &str = "
    alt aria-describedby aria-hidden aria-label aria-labelledby class cite colspan datetime dir headers height href id
    lang open reversed role rowspan scope span src start style tabindex title type value width
    accent accentunder columnalign columnspan depth display displaystyle encoding fence form largeop linethickness lspace
    mathvariant maxsize minsize movablelimits notation rspace scriptlevel separator stretchy symmetric voffset
    clip-path clip-rule clipPathUnits color cx cy d dominant-baseline dx dy fill fill-opacity fill-rule font-family
    font-size font-style font-weight fx fy gradientTransform gradientUnits letter-spacing marker-end marker-mid
    marker-start markerHeight markerUnits markerWidth mask maskUnits offset opacity orient paint-order pathLength
    patternTransform patternUnits points preserveAspectRatio r refX refY rotate rx ry shape-rendering spreadMethod
    stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit
    stroke-opacity stroke-width text-anchor text-decoration text-rendering textLength transform vector-effect viewBox
    visibility x x1 x2 y y1 y2";

/// Removed with all they hold; the text of the others stays when the element goes.
const EMPTIED: &str = "
    animate animateMotion animateTransform applet audio base button embed fieldset foreignObject form frame frameset head
    iframe image input link meta noembed noframes noscript object option script select set style template textarea
    video xmp";

/// Where the HTML comes from, which decides what its ids and images mean.
#[derive(Clone)]
enum Place {
    /// A Markdown cell: ids are the page's, relative images lie beside the notebook.
    Prose(Arc<Mutex<Images>>),
    /// An output: ids get this prefix, images must be inside.
    Output(String),
}

/// Cleans what Markdown gave.
pub fn prose(html: &str, images: &Arc<Mutex<Images>>) -> String {
    clean(html, Place::Prose(Arc::clone(images)))
}

/// Cleans an output and confines its ids and style sheets to an element whose id is `scope`, which the caller makes.
pub fn output(html: &str, scope: &str) -> String {
    let prefix = format!("{scope}-");
    let sheets = css::sheets(html, scope, &prefix);
    sheets + &clean(html, Place::Output(prefix))
}

fn clean(html: &str, place: Place) -> String {
    let words = |list: &'static str| list.split_whitespace().collect::<HashSet<_>>();
    Builder::empty()
        .tags(words(TAGS))
        .generic_attributes(words(ATTRIBUTES))
        .clean_content_tags(words(EMPTIED))
        .link_rel(None)
        .url_schemes(HashSet::from(["http", "https", "mailto", "data"]))
        .attribute_filter(move |element, attribute, value| filter(&place, element, attribute, value))
        .clean(html)
        .to_string()
}

fn filter<'v>(place: &Place, element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let prefix = match place {
        Place::Prose(_) => "",
        Place::Output(prefix) => prefix,
    };
    match attribute {
        "id" => Some(format!("{prefix}{value}").into()),
        "aria-labelledby" | "aria-describedby" => {
            Some(value.split_whitespace().map(|id| format!("{prefix}{id}")).collect::<Vec<_>>().join(" ").into())
        }
        "href" => match value.strip_prefix('#') {
            Some(id) => Some(format!("#{prefix}{id}").into()),
            None => (element == "a" && !is_data(value)).then_some(value.into()),
        },
        "src" => source(place, element, value),
        "style" => {
            let style = css::declarations(value, prefix);
            (!style.is_empty()).then_some(style.into())
        }
        _ if value.to_ascii_lowercase().contains("url(") => {
            let id = value.strip_prefix("url(#")?.strip_suffix(')')?;
            let is_id = !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || "()'\"\\#".contains(c));
            is_id.then(|| format!("url(#{prefix}{id})").into())
        }
        _ => Some(value.into()),
    }
}

/// An image that needs no network: inside the page, or a file beside the notebook, which is copied.
fn source<'v>(place: &Place, element: &str, value: &'v str) -> Option<Cow<'v, str>> {
    if element != "img" {
        return None;
    }
    match place {
        _ if image::is_inside(value) => Some(value.into()),
        Place::Prose(images) => image::copy(images, value).map(Cow::Owned),
        Place::Output(_) => None,
    }
}

fn is_data(url: &str) -> bool {
    url.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

//! Linear state space layers: their three views against each other, finite differences, torch's automatic
//! differentiation.

use mlnotes::prelude::*;
use mlnotes::ssm::lssl::{Lssl, LsslGradient, log_spaced};
use mlnotes::ssm::lti::Rule;

use crate::{assert_close, message};

const RULES: [Rule; 5] =
    [Rule::Euler, Rule::BackwardEuler, Rule::Bilinear, Rule::GeneralisedBilinear(0.7), Rule::ZeroOrderHold];

fn example(channels: usize, order: usize, rule: Rule, seed: u32) -> Lssl {
    let mut random = RandomState::new(seed);
    let c = random.normal_array((channels, order));
    Lssl::legs(c, random.normal_array(channels), (0.005, 0.1), rule).unwrap()
}

/// Planted: the kernel of channel 0 for all; D added twice in the convolution.
#[test]
fn the_views_agree() {
    for rule in RULES {
        let layer = example(4, 6, rule, 1);
        let u: Array2<f64> = RandomState::new(2).normal_array((120, 4));
        let y = layer.recurrent(&u).unwrap();
        let scale = y.iter().fold(1.0, |m: f64, y| m.max(y.abs()));
        assert_close(&(layer.convolutional(&u).unwrap() / scale), &(&y / scale), 1e-12);
        let continuous = layer.continuous(&u).unwrap();
        if rule == Rule::ZeroOrderHold {
            assert_close(&(&continuous / scale), &(&y / scale), 1e-12);
        }
        // Any rule's answer tends to the solution: the same held input in ever more steps.
        let error = |refined: usize| {
            let steps = layer.steps() / refined as f64;
            let finer =
                Lssl::new(layer.a().clone(), layer.b().clone(), layer.c().clone(), layer.d().clone(), steps, rule);
            let held = Array2::from_shape_fn((120 * refined, 4), |(k, h)| u[[k / refined, h]]);
            let y = finer.unwrap().recurrent(&held).unwrap();
            let at_ends = y.slice(s![refined - 1..;refined, ..]);
            (&at_ends - &continuous).iter().fold(0.0, |m: f64, x| m.max(x.abs()))
        };
        let errors = [8, 16].map(error);
        assert!(errors[1] < 0.6 * errors[0] || errors[1] < 1e-11 * scale, "{rule:?} {errors:?}");
    }
}

fn slopes_of_sines(layer: &Lssl, u: &Array2<f64>, weights: &Array2<f64>) -> LsslGradient {
    let y = layer.recurrent(u).unwrap();
    layer.gradient(u, &(weights * &y.mapv(f64::cos))).unwrap()
}

/// Planted: Ā for Āᵀ in the adjoint; the α term of ∂W without B̄; Zᵀ's input row left out.
#[test]
fn the_gradient_is_torchs() {
    let reference = Reference::load("lssl", "layer").unwrap();
    let matrix = |name: &str| reference.array::<ndarray::Ix2>(name).unwrap();
    let vector = |name: &str| reference.array::<ndarray::Ix1>(name).unwrap();
    let (u, weights) = (matrix("u"), matrix("weights"));
    for (name, rule) in [
        ("euler", Rule::Euler),
        ("backward", Rule::BackwardEuler),
        ("bilinear", Rule::Bilinear),
        ("hold", Rule::ZeroOrderHold),
    ] {
        let layer = Lssl::new(matrix("a"), vector("b"), matrix("c"), vector("d"), vector("steps"), rule).unwrap();
        let got = slopes_of_sines(&layer, &u, &weights);
        assert_close(&layer.recurrent(&u).unwrap(), &matrix(&format!("{name}_y")), 1e-12);
        for (part, got) in [("a", &got.a), ("c", &got.c), ("u", &got.u)] {
            let want = matrix(&format!("{name}_{part}_slope"));
            let scale = want.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            assert_close(&(got / scale), &(want / scale), 1e-12);
        }
        for (part, got) in [("b", &got.b), ("d", &got.d), ("steps", &got.steps)] {
            let want = vector(&format!("{name}_{part}_slope"));
            let scale = want.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            assert_close(&(got / scale), &(want / scale), 1e-12);
        }
    }
}

/// Central differences, of which one step is extrapolated: (4 D(h/2) − D(h)) / 3.
#[test]
fn the_gradient_is_the_slope() {
    let u: Array2<f64> = RandomState::new(3).normal_array((15, 2));
    let weights: Array2<f64> = RandomState::new(4).normal_array((15, 2));
    for rule in RULES {
        let layer = example(2, 4, rule, 5);
        let got = slopes_of_sines(&layer, &u, &weights);
        let loss = |change: &dyn Fn(&mut Parameters)| {
            let (a, b, c) = (layer.a().clone(), layer.b().clone(), layer.c().clone());
            let mut p = Parameters { a, b, c, d: layer.d().clone(), steps: layer.steps().clone(), u: u.clone() };
            change(&mut p);
            let layer = Lssl::new(p.a, p.b, p.c, p.d, p.steps, rule).unwrap();
            (&weights * &layer.recurrent(&p.u).unwrap().mapv(f64::sin)).sum()
        };
        let check = |want: f64, change: &dyn Fn(&mut Parameters, f64), size: f64| {
            let difference = |h: f64| (loss(&|p| change(p, h)) - loss(&|p| change(p, -h))) / (2.0 * h);
            let h = 1e-3 * size;
            let slope = (4.0 * difference(h / 2.0) - difference(h)) / 3.0;
            assert!((slope - want).abs() < 1e-8 * want.abs().max(1.0), "{rule:?} {slope} {want}");
        };
        for i in 0..4 {
            for j in 0..4 {
                check(got.a[[i, j]], &|p, h| p.a[[i, j]] += h, 1.0);
            }
            check(got.b[i], &|p, h| p.b[i] += h, 1.0);
            check(got.c[[1, i]], &|p, h| p.c[[1, i]] += h, 1.0);
        }
        for h in 0..2 {
            check(got.steps[h], &|p, x| p.steps[h] += x, layer.steps()[h]);
            check(got.d[h], &|p, x| p.d[h] += x, 1.0);
            check(got.u[[7, h]], &|p, x| p.u[[7, h]] += x, 1.0);
        }
    }
}

struct Parameters {
    a: Array2<f64>,
    b: Array1<f64>,
    c: Array2<f64>,
    d: Array1<f64>,
    steps: Array1<f64>,
    u: Array2<f64>,
}

/// INDEX E-16: e^{−softplus z} = 1 − σ(z), so a step through softplus is a gate; by backward Euler one through exp.
#[test]
fn a_step_is_a_gate() {
    for i in -40..=40 {
        let z = 0.5 * f64::from(i);
        let gate = 1.0 / (1.0 + (-z).exp());
        let softplus = z.max(0.0) + (-z.abs()).exp().ln_1p();
        assert!(((-softplus).exp() - (1.0 - gate)).abs() < 2e-16);
        for (rule, step) in [(Rule::ZeroOrderHold, softplus), (Rule::BackwardEuler, z.exp())] {
            let layer = Lssl::new(array![[-1.0]], array![1.0], array![[1.0]], array![0.0], array![step], rule).unwrap();
            let u = array![[1.0], [-2.0], [0.5]];
            let mut h = 0.0;
            let want = u.mapv(|u| {
                h = (1.0 - gate) * h + gate * u;
                h
            });
            assert_close(&layer.recurrent(&u).unwrap(), &want, 1e-15);
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (a, b, c, d) = (array![[-1.0]], array![1.0], array![[1.0]], array![0.0]);
    let hold = Rule::ZeroOrderHold;
    let none = Array2::zeros((0, 1));
    assert!(message(Lssl::new(a.clone(), b.clone(), none, d.clone(), array![0.1], hold)).contains("channel"));
    for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(Lssl::new(a.clone(), b.clone(), c.clone(), d.clone(), array![step], hold)).contains("step"));
    }
    assert!(message(Lssl::new(a.clone(), b.clone(), c.clone(), d.clone(), array![0.1, 0.2], hold)).contains("steps"));
    assert!(message(Lssl::new(a.clone(), b.clone(), c.clone(), array![f64::NAN], array![0.1], hold)).contains("`d`"));
    assert!(message(Lssl::new(a.clone(), array![1.0, 2.0], c.clone(), d.clone(), array![0.1], hold)).contains("`b`"));
    let wide = array![[1.0, 2.0]];
    assert!(message(Lssl::new(a.clone(), b.clone(), wide, d.clone(), array![0.1], hold)).contains("`c`"));
    let rising = Lssl::new(array![[20.0]], b.clone(), c.clone(), d.clone(), array![0.1], Rule::Bilinear);
    assert!(message(rising).contains("shorter step"));
    assert!(message(Lssl::legs(Array2::zeros((2, 0)), array![0.0, 0.0], (0.1, 0.2), hold)).contains("order"));
    assert!(message(Lssl::legs(c.clone(), d.clone(), (0.2, 0.1), hold)).contains("longest"));
    assert!(message(log_spaced(0.1, f64::NAN, 2)).contains("longest"));
    assert!(message(log_spaced(0.1, 0.2, 0)).contains("count"));
    assert!((log_spaced(0.1, 10.0, 1).unwrap()[0] - 1.0).abs() < 1e-15);

    let layer = Lssl::new(a, b, c, d, array![0.1], hold).unwrap();
    assert!(message(layer.system(1)).contains("channel"));
    for run in [Lssl::recurrent, Lssl::convolutional, Lssl::continuous] {
        assert!(message(run(&layer, &array![[1.0, 2.0]])).contains("channel"));
        assert!(message(run(&layer, &array![[f64::NAN]])).contains("`u`"));
        assert_eq!(run(&layer, &Array2::zeros((0, 1))).unwrap().dim(), (0, 1));
    }
    assert!(message(layer.gradient(&array![[1.0]], &array![[1.0], [2.0]])).contains("slopes"));
    assert!(message(layer.gradient(&array![[1.0]], &array![[f64::INFINITY]])).contains("slopes"));
    assert!(message(layer.gradient(&array![[1.0], [1.0]], &array![[1e308], [1e308]])).contains("slopes"));
    let nothing = layer.gradient(&Array2::zeros((0, 1)), &Array2::zeros((0, 1))).unwrap();
    assert_eq!((nothing.a[[0, 0]], nothing.steps[0], nothing.u.len()), (0.0, 0.0, 0));
    assert_eq!(layer.kernel(0).unwrap().dim(), (1, 0));
}

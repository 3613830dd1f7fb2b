//! HiPPO: the published matrices, projections by quadrature, exact projections of step functions, definitions worked out
//! anew by SciPy.

use mlnotes::prelude::*;
use mlnotes::ssm::hippo::{LegsMemory, LegsUpdate, Measure};
use mlnotes::ssm::lti::Rule;

use crate::{assert_close, message};

const UPDATES: [LegsUpdate; 3] = [LegsUpdate::Euler, LegsUpdate::Bilinear, LegsUpdate::Centred];

/// Gauss and Legendre's nodes and weights on [0, 1], by Newton's method on P_n.
fn gauss(n: usize) -> Vec<(f64, f64)> {
    let legendre = |x: f64| {
        let (mut before, mut now) = (1.0, x);
        for k in 1..n {
            let k = k as f64;
            (before, now) = (now, ((2.0 * k + 1.0) * x * now - k * before) / (k + 1.0));
        }
        (now, n as f64 * (before - x * now) / (1.0 - x * x))
    };
    let node = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        for _ in 0..8 {
            let (p, slope) = legendre(x);
            x -= p / slope;
        }
        let slope = legendre(x).1;
        (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(node).collect()
}

/// ∫₀¹ f(1 − a) g_n(a) da for every polynomial g_n of LegS: the best coefficients for f on [0, 1], seen from 1.
fn projection(f: impl Fn(f64) -> f64, order: usize) -> Array1<f64> {
    let nodes = gauss(60);
    let ages: Array1<f64> = nodes.iter().map(|node| node.0).collect();
    let weighted: Array1<f64> = nodes.iter().map(|&(age, weight)| weight * f(1.0 - age)).collect();
    Measure::LegS.basis(order, &ages).unwrap().t().dot(&weighted)
}

fn largest(difference: Array1<f64>) -> f64 {
    difference.iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn root_mean_square(difference: Array1<f64>) -> f64 {
    (difference.mapv(|x| x * x).sum() / difference.len() as f64).sqrt()
}

/// Typed from the paper's Theorems 1 and 2 (there with the other sign of A), for N = 3 and 4.
///
/// Planted: LegT's alternating sign below the diagonal instead of above.
#[test]
fn the_matrices_are_the_published_ones() {
    let [r3, r5, r15] = [3.0_f64, 5.0, 15.0].map(f64::sqrt);
    let (a, b) = Measure::LegS.matrices(3).unwrap();
    assert_close(&-a, &array![[1.0, 0.0, 0.0], [r3, 2.0, 0.0], [r5, r15, 3.0]], 1e-15);
    assert_close(&b, &array![1.0, r3, r5], 0.0);
    let (a, b) = Measure::LegT { window: 2.0 }.matrices(3).unwrap();
    assert_close(&(-a * 2.0), &array![[1.0, -r3, r5], [r3, 3.0, -r15], [r5, r15, 5.0]], 1e-15);
    assert_close(&(b * 2.0), &array![1.0, r3, r5], 1e-15);
    // Theorem 1 itself, with λ_n = √(2n+1) (−1)ⁿ: A = ((2n+1) (−1)^{n−k}; 2n+1), B = (2n+1) (−1)ⁿ.
    let (a, b) = Measure::LegT { window: 1.0 }.matrices(4).unwrap();
    let scale = |n: usize| ((2 * n + 1) as f64).sqrt() * if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    let scaled = Array2::from_shape_fn((4, 4), |(n, k)| -scale(n) * a[[n, k]] / scale(k));
    let unit = array![[1.0, 1.0, 1.0, 1.0], [-3.0, 3.0, 3.0, 3.0], [5.0, -5.0, 5.0, 5.0], [-7.0, 7.0, -7.0, 7.0]];
    assert_close(&scaled, &unit, 1e-14);
    assert_close(&Array1::from_shape_fn(4, |n| scale(n) * b[n]), &array![1.0, -3.0, 5.0, -7.0], 1e-14);
    let (a, b) = Measure::LagT { timescale: 1.0, tilt: 1.0 }.matrices(3).unwrap();
    assert_close(&-a, &array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], 0.0);
    assert_close(&b, &array![1.0, 1.0, 1.0], 0.0);
    // The paper's code, `lagt`: ½ I − tril(1).
    let (a, _) = Measure::LagT { timescale: 1.0, tilt: 0.0 }.matrices(2).unwrap();
    assert_close(&a, &array![[-0.5, 0.0], [-1.0, -0.5]], 0.0);
}

/// Planted: the diagonal of LegS n instead of n + 1; a tilt of (1+β)/2 in the basis for (1−β)/2; a start from 0 in the
/// centred update.
#[test]
fn definitions_worked_out_by_scipy_give_the_same() {
    let reference = Reference::load("hippo", "memories").unwrap();
    let number = |name: &str| reference.array::<ndarray::Ix0>(name).unwrap().into_scalar();
    let (f, ages): (Array1<f64>, Array1<f64>) = (reference.array("f").unwrap(), reference.array("ages").unwrap());
    let legt = Measure::LegT { window: number("window") };
    let lagt = Measure::LagT { timescale: number("timescale"), tilt: number("tilt") };
    for (name, measure) in [("legs", Measure::LegS), ("legt", legt), ("lagt", lagt)] {
        let (a, b) = measure.matrices(8).unwrap();
        assert_close(&a, &reference.array(&format!("{name}_a")).unwrap(), 1e-11);
        assert_close(&b, &reference.array(&format!("{name}_b")).unwrap(), 1e-13);
        if measure != Measure::LegS {
            let basis = measure.basis(8, &ages).unwrap();
            assert_close(&basis, &reference.array(&format!("{name}_basis")).unwrap(), 1e-12);
            let memory = measure.memory(8, &ages).unwrap().discretise(Rule::ZeroOrderHold, number("step")).unwrap();
            let seen = memory.recurrent(&f.clone().insert_axis(Axis(1))).unwrap();
            assert_close(&seen, &reference.array(&format!("{name}_seen")).unwrap(), 1e-11);
        }
    }
    for (name, update) in ["euler", "bilinear", "centred"].into_iter().zip(UPDATES) {
        let want: Array2<f64> = reference.array(&format!("legs_{name}")).unwrap();
        let scale = want.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
        // The reference's A has the rounding of its quadrature, which Euler's first steps amplify.
        assert_close(&(LegsMemory::history(&f, 8, update).unwrap() / scale), &(want / scale), 1e-11);
    }
}

/// A held input makes every history a step function, whose projection SciPy integrates exactly. On the clock τ = log t
/// the system is x′ = A x + B u, solved by an exponential: LegS loses nothing but what the polynomials cannot hold.
#[test]
fn legs_is_the_exact_projection_of_the_past() {
    let reference = Reference::load("hippo", "memories").unwrap();
    let (f, want): (Array1<f64>, Array2<f64>) = (reference.array("f").unwrap(), reference.array("legs_steps").unwrap());
    let (a, b) = Measure::LegS.matrices(8).unwrap();
    let mut c = Array1::zeros(8);
    c[0] = f[0];
    for k in 1..=f.len() {
        if k > 1 {
            let elapsed = (k as f64).ln() - (k as f64 - 1.0).ln();
            let (keeps, takes) = Rule::ZeroOrderHold.discretise(&a, &b.view().insert_axis(Axis(1)), elapsed).unwrap();
            c = keeps.dot(&c) + takes.column(0).to_owned() * f[k - 1];
        }
        assert_close(&c, &want.row(k - 1), 1e-12);
    }
}

/// The coefficients tend to the projection as the step shrinks: errors of Δ for the published updates, of Δ² for the
/// centred one.
///
/// Planted: h_k = 1/k in the centred update.
#[test]
fn the_memory_converges_to_the_projection() {
    let f = |x: f64| (3.0 * x).sin().exp();
    let want = projection(f, 8);
    for (update, slope) in UPDATES.into_iter().zip([1.0, 1.0, 2.0]) {
        let error = |length: usize| {
            let samples = Array1::from_shape_fn(length, |k| f((k as f64 + 0.5) / length as f64));
            largest(&LegsMemory::history(&samples, 8, update).unwrap().row(length - 1) - &want)
        };
        let errors = [500, 1000, 2000, 4000].map(error);
        for pair in errors.windows(2) {
            let measured = (pair[0] / pair[1]).log2();
            assert!((measured - slope).abs() < 0.03, "{update:?} {measured} {errors:?}");
        }
    }
}

/// LagT closes exactly: its coefficients tend to ∫ f(t − s) φ_n(s) ds. LegT does where the past is a polynomial that it
/// can hold.
///
/// Planted: L_n with its sign of s turned.
#[test]
fn translated_memories_converge_too() {
    let nodes = gauss(60);
    let order = 6;
    let lagt = Measure::LagT { timescale: 0.8, tilt: 0.5 };
    let f = |x: f64| (3.0 * x).sin().exp();
    // φ_n is the basis tilted the other way: exp(−(1+β)s/2) = exp(−(1−β)s/2) exp(−β s), and f was 0 before 0.
    let (mut ages, mut weights) = (Vec::new(), Vec::new());
    for panel in 0..4 {
        for (age, weight) in &nodes {
            let age = 2.0 * (panel as f64 + age) / 4.0;
            ages.push(age);
            weights.push(weight * 0.5 / 0.8 * f(2.0 - age) * (-0.5 * age / 0.8).exp());
        }
    }
    let basis = lagt.basis(order, &Array1::from(ages)).unwrap();
    let projected = basis.t().dot(&Array1::from(weights));
    let square = |x: f64| x * x - 0.5 * x;
    let legt = Measure::LegT { window: 0.5 };
    let held = projection(|x| square(2.0 - 0.5 + 0.5 * x), order);
    let (f, square): (&dyn Fn(f64) -> f64, &dyn Fn(f64) -> f64) = (&f, &square);
    for (measure, f, want) in [(lagt, f, projected), (legt, square, held)] {
        let error = |length: usize| {
            let step = 2.0 / length as f64;
            let (a, b) = measure.matrices(order).unwrap();
            let (keeps, takes) = Rule::Bilinear.discretise(&a, &b.insert_axis(Axis(1)), step).unwrap();
            let mut c = Array1::zeros(order);
            for k in 0..length {
                c = keeps.dot(&c) + takes.column(0).to_owned() * f((k as f64 + 0.5) * step);
            }
            largest(c - &want)
        };
        let errors = [1000, 2000, 4000].map(error);
        for pair in errors.windows(2) {
            assert!(((pair[0] / pair[1]).log2() - 2.0).abs() < 0.05, "{measure:?} {errors:?}");
        }
    }
}

/// N = 32 coefficients hold 1000 samples of a band-limited signal: RMSE 0.0064 by the paper's update, whose samples sit at
/// the ends of their stretches; the notes' index says 0.0063 of a signal of this kind. The centred update leaves 1.4e-4.
#[test]
fn a_long_signal_is_held_by_few_coefficients() {
    let reference = Reference::load("hippo", "long").unwrap();
    let f: Array1<f64> = reference.array("f").unwrap();
    let ages = Array1::from_shape_fn(1000, |k| 1.0 - (k as f64 + 0.5) / 1000.0);
    let rmse = |update| {
        let history = LegsMemory::history(&f, 32, update).unwrap();
        let last = history.row(999);
        (last.to_owned(), root_mean_square(Measure::LegS.reconstruct(&last, &ages).unwrap() - &f))
    };
    let (coefficients, error) = rmse(LegsUpdate::Bilinear);
    assert_close(&coefficients, &reference.array("coefficients").unwrap(), 1e-12);
    let want = reference.array::<ndarray::Ix0>("rmse").unwrap().into_scalar();
    assert!((error - want).abs() < 1e-12 && (0.006..0.007).contains(&error), "{error}");
    let centred = rmse(LegsUpdate::Centred).1;
    assert!(centred < 1.5e-4, "{centred}");
}

/// Planted: the running sum of the right side left out.
#[test]
fn the_fast_update_is_the_dense_one() {
    let f: Array1<f64> = RandomState::new(2).normal_array(300);
    for update in UPDATES {
        for order in [1, 2, 7, 32] {
            let (mut fast, mut dense) =
                (LegsMemory::new(order, update).unwrap(), LegsMemory::new(order, update).unwrap());
            // Of the largest so far: Euler's first steps amplify what rounding leaves, by 10¹⁰ for N = 32.
            let mut scale = 1.0;
            for &sample in &f {
                fast.push(sample).unwrap();
                dense.push_dense(sample).unwrap();
                scale = dense.coefficients().iter().fold(scale, |m: f64, x| m.max(x.abs()));
                assert_close(&(fast.coefficients() / scale), &(dense.coefficients() / scale), 1e-12);
            }
            assert_eq!(fast.samples(), 300);
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(message(LegsMemory::new(0, LegsUpdate::Euler)).contains("order"));
    assert!(message(Measure::LegS.matrices(0)).contains("order"));
    for window in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(Measure::LegT { window }.matrices(2)).contains("window"));
        assert!(message(Measure::LagT { timescale: window, tilt: 0.0 }.matrices(2)).contains("timescale"));
    }
    for tilt in [-0.1, 1.1, f64::NAN] {
        assert!(message(Measure::LagT { timescale: 1.0, tilt }.basis(2, &array![0.0])).contains("tilt"));
    }
    assert!(message(Measure::LegT { window: 1.0 }.basis(2, &array![0.5, 1.01])).contains("ages"));
    assert!(message(Measure::LegS.basis(2, &array![-0.1])).contains("ages"));
    assert!(message(Measure::LegS.basis(2, &array![f64::NAN])).contains("ages"));
    assert!(message(Measure::LegS.reconstruct(&array![], &array![0.5])).contains("coefficients"));
    assert!(message(Measure::LegS.reconstruct(&array![f64::NAN], &array![0.5])).contains("coefficients"));
    assert!(message(Measure::LegS.memory(2, &array![0.5])).contains("LegsMemory"));
    assert!(message(Measure::LegT { window: 1.0 }.memory(2, &array![])).contains("ages"));
    let mut memory = LegsMemory::new(2, LegsUpdate::Centred).unwrap();
    assert!(message(memory.push(f64::INFINITY)).contains("sample"));
    assert_eq!(memory, LegsMemory::new(2, LegsUpdate::Centred).unwrap()); // nothing half done
    assert_eq!(LegsMemory::history(&array![], 3, LegsUpdate::Euler).unwrap().dim(), (0, 3));
    assert!(message(LegsMemory::history(&array![f64::NAN], 3, LegsUpdate::Euler)).contains("remove such rows"));
    assert_eq!(Measure::LegS.reconstruct(&array![2.0], &array![]).unwrap().len(), 0);
    assert_close(&Measure::LegS.reconstruct(&array![2.0], &array![0.7]).unwrap(), &array![2.0], 0.0);
}

//! Linear time-invariant models: series summed with twice f64's digits, closed forms, Runge and Kutta's method, sums
//! written out, SciPy.

use mlnotes::prelude::*;
use mlnotes::ssm::lti::{
    Continuous, Convolution, Discrete, Rule, convolve, convolve_fft, expm, shift_error, superposition_error,
};
use ndarray::{ArrayRef2, Ix0, Ix1, Ix2, Ix3};

use crate::{assert_close, message};

const RULES: [(&str, Rule); 5] = [
    ("euler", Rule::Euler),
    ("backward_euler", Rule::BackwardEuler),
    ("bilinear", Rule::Bilinear),
    ("generalised", Rule::GeneralisedBilinear(0.3)),
    ("hold", Rule::ZeroOrderHold),
];

/// The sum of two f64, of which the second is the rounding of the first.
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn plus(self, other: Self) -> Self {
        let sum = self.0 + other.0;
        let part = sum - self.0;
        let lost = (self.0 - (sum - part)) + (other.0 - part) + self.1 + other.1;
        Self(sum + lost, lost - ((sum + lost) - sum))
    }

    fn times(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let lost = self.0.mul_add(other.0, -product) + self.0 * other.1 + self.1 * other.0;
        Self(product + lost, lost - ((product + lost) - product))
    }

    fn over(self, divisor: f64) -> Self {
        let first = self.0 / divisor;
        let rest = self.plus(Self(divisor, 0.0).times(Self(-first, 0.0)));
        Self(first, 0.0).plus(Self(rest.0 / divisor, 0.0))
    }
}

fn product(a: &Array2<Double>, b: &Array2<Double>) -> Array2<Double> {
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        (0..a.ncols()).fold(Double(0.0, 0.0), |sum, k| sum.plus(a[[i, k]].times(b[[k, j]])))
    })
}

/// I + A + A²/2! + … of A / 2^s, squared s times, with 32 digits.
fn series(a: &Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let norm = a.iter().map(|entry| entry.abs()).sum::<f64>();
    let squarings = if norm > 0.1 { (norm / 0.1).log2().ceil() as i32 } else { 0 };
    let scaled = a.mapv(|entry| Double(entry * 2.0_f64.powi(-squarings), 0.0));
    let mut term = Array2::from_shape_fn((n, n), |(i, j)| Double(f64::from(u8::from(i == j)), 0.0));
    let mut sum = term.clone();
    for k in 1..20 {
        term = product(&term, &scaled).mapv(|entry| entry.over(f64::from(k)));
        sum.zip_mut_with(&term, |sum, &term| *sum = sum.plus(term));
    }
    for _ in 0..squarings {
        sum = product(&sum, &sum);
    }
    sum.mapv(|entry| entry.0)
}

/// The largest difference by the largest entry.
fn distance(got: &ArrayRef2<f64>, want: &ArrayRef2<f64>) -> f64 {
    assert_eq!(got.dim(), want.dim());
    let largest = |a: Array2<f64>| a.iter().fold(0.0, |m: f64, v| if v.is_nan() { v.abs() } else { m.max(v.abs()) });
    largest(got - want) / largest(want.to_owned())
}

const EXPONENTIALS: [&str; 18] = [
    "tiny",
    "degree_3",
    "degree_5",
    "degree_7",
    "degree_9",
    "degree_13",
    "squared",
    "one_by_one",
    "zero",
    "singular",
    "nilpotent",
    "turning",
    "stiff",
    "overscaled",
    "overscaled_full",
    "legs_16",
    "legs_32_step",
    "large",
];

/// Planted: the exponent of 2 in the scaling of A⁴ halved; the last odd coefficient of Padé's degree 9 doubled; rows of
/// the right-hand side not exchanged with the pivots, or exchanged and not their scales; the diagonal of a triangle taken
/// one squaring too early.
#[test]
fn the_exponential_is_its_series_and_scipys() {
    let reference = Reference::load("lti", "exponential").unwrap();
    for name in EXPONENTIALS {
        let array = |part: &str| reference.array::<Ix2>(&format!("{name}_{part}")).unwrap();
        let (a, scipy) = (array("a"), array("exp"));
        let (got, exact) = (expm(&a).unwrap(), series(&a));
        // The condition of what turns by 300 is 300.
        let bound = if name == "turning" { 3e-14 } else { 1e-14 };
        assert!(distance(&got, &exact) < bound, "{name}: {:.1e} from the series", distance(&got, &exact));
        // SciPy's own distance from the series is up to 3e-14, with `turning`.
        assert!(distance(&got, &scipy) < 1e-13, "{name}: {:.1e} from SciPy", distance(&got, &scipy));
    }
}

#[test]
fn exponentials_in_closed_form() {
    for angle in [1e-8, 0.1, 1.0, 3.0, 30.0, 1000.0] {
        let (sine, cosine) = f64::sin_cos(angle);
        let turn = expm(&array![[0.0, -angle], [angle, 0.0]]).unwrap();
        assert_close(&turn, &array![[cosine, -sine], [sine, cosine]], 1e-15 * (10.0 + angle));
        // One eigenvalue, one eigenvector.
        let decay = f64::exp(-angle);
        let jordan = expm(&array![[-angle, angle, 0.0], [0.0, -angle, angle], [0.0, 0.0, -angle]]).unwrap();
        let powers = [decay, angle * decay, angle * angle / 2.0 * decay];
        let [one, two, three] = powers;
        assert_close(&jordan, &array![[one, two, three], [0.0, one, two], [0.0, 0.0, one]], 1e-13);
        assert_eq!(jordan[[2, 2]], decay, "the diagonal of a triangle");
    }
    // Different units of the rows and columns, so that elimination meets very different sizes.
    let units = array![[1.0, 1e9], [1e-9, 1.0]];
    let plain = expm(&array![[-1.0, 2.0], [3.0, -4.0]]).unwrap();
    let scaled = expm(&(array![[-1.0, 2.0], [3.0, -4.0]] * &units)).unwrap();
    assert_close(&(scaled / units), &plain, 1e-13);
    let mut random = RandomState::new(1);
    for n in [1, 2, 7, 20] {
        let a: Array2<f64> = random.normal_array((n, n));
        let both = expm(&a).unwrap().dot(&expm(&-&a).unwrap());
        assert_close(&both, &Array2::eye(n), 1e-9); // cancels e^{2‖A‖}
        assert_close(&expm(&a.t()).unwrap(), &expm(&a).unwrap().t(), 1e-12 * expm(&a).unwrap().sum().abs().max(100.0));
    }
    // Numbers that decay at all rates.
    assert_close(&expm(&array![[-1e29]]).unwrap(), &array![[0.0]], 0.0);
    assert_close(
        &expm(&Array2::from_diag(&array![-1e20, -5.0, 700.0])).unwrap().diag(),
        &array![0.0, f64::exp(-5.0), f64::exp(700.0)],
        0.0,
    );
}

fn model(reference: &Reference, prefix: &str) -> (Continuous, f64) {
    let array = |part: &str| reference.array::<Ix2>(&format!("{prefix}{part}")).unwrap();
    let model = Continuous::new(array("a"), array("b"), array("c"), array("d")).unwrap();
    (model, reference.array::<Ix0>(&format!("{prefix}step")).unwrap().into_scalar())
}

/// Planted: B̄ of the bilinear rules without the system's solution; 1 − α and α exchanged; B not multiplied by Δ in the
/// block.
#[test]
fn every_rule_is_scipys() {
    let reference = Reference::load("lti", "discretisation").unwrap();
    for case in ["two_by_two", "single", "long_step", "body", "legs"] {
        let (model, step) = model(&reference, &format!("{case}_"));
        for (name, rule) in RULES {
            let steps = model.discretise(rule, step).unwrap();
            for (part, got) in [("a", steps.a()), ("b", steps.b())] {
                let want = reference.array::<Ix2>(&format!("{case}_{name}_{part}")).unwrap();
                assert!(distance(got, &want) < 1e-13, "{case} {name} {part}: {:.1e}", distance(got, &want));
            }
            assert_eq!((steps.c(), steps.d()), (model.c(), model.d()));
        }
        for (alpha, rule) in [(0.0, Rule::Euler), (0.5, Rule::Bilinear), (1.0, Rule::BackwardEuler)] {
            let general = model.discretise(Rule::GeneralisedBilinear(alpha), step).unwrap();
            assert_eq!(general, model.discretise(rule, step).unwrap());
        }
    }
}

/// A random model whose slowest mode decays at some rate.
fn stable(n: usize, inputs: usize, outputs: usize, random: &mut RandomState) -> Continuous {
    let a: Array2<f64> = random.normal_array((n, n));
    // By Gershgorin's circles.
    let furthest = (0..n).map(|i| a[[i, i]] - a[[i, i]].abs() + a.row(i).iter().map(|v| v.abs()).sum::<f64>());
    let a = &a - Array2::<f64>::eye(n) * (furthest.fold(f64::NEG_INFINITY, f64::max) + 0.2);
    let (b, c) = (random.normal_array((n, inputs)), random.normal_array((outputs, n)));
    Continuous::new(a, b, c, random.normal_array((outputs, inputs))).unwrap()
}

/// x after a time under a constant input, by the classical method of Runge and Kutta.
fn runge_kutta(model: &Continuous, x: &Array1<f64>, u: &Array1<f64>, time: f64, steps: usize) -> Array1<f64> {
    let slope = |x: &Array1<f64>| model.a().dot(x) + model.b().dot(u);
    let h = time / steps as f64;
    (0..steps).fold(x.clone(), |x, _| {
        let first = slope(&x);
        let second = slope(&(&x + &(&first * (h / 2.0))));
        let third = slope(&(&x + &(&second * (h / 2.0))));
        let fourth = slope(&(&x + &(&third * h)));
        x + (first + second * 2.0 + third * 2.0 + fourth) * (h / 6.0)
    })
}

/// Planted: the first duration for all.
#[test]
fn a_held_input_is_solved_as_by_runge_and_kutta() {
    let mut random = RandomState::new(2);
    for (n, inputs, outputs) in [(1, 1, 1), (4, 2, 3), (6, 1, 1)] {
        let model = stable(n, inputs, outputs, &mut random);
        let (u, initial): (Array2<f64>, Array1<f64>) = (random.normal_array((9, inputs)), random.normal_array(n));
        let durations = array![0.1, 0.1, 0.5, 0.05, 1.0, 1.0, 0.3, 1e-3, 0.2];
        let path = model.simulate(&initial, &u, &durations).unwrap();
        let mut x = initial.clone();
        for k in 0..9 {
            let now = u.row(k).to_owned();
            x = runge_kutta(&model, &x, &now, durations[k], 2000);
            assert_close(&path.states.row(k), &x, 1e-11);
            assert_close(&path.outputs.row(k), &(model.c().dot(&x) + model.d().dot(&now)), 1e-10);
        }
        // A stretch in two parts ends where it did.
        let twice = |rows: &Array2<f64>| Array2::from_shape_fn((18, inputs), |(k, j)| rows[[k / 2, j]]);
        let parts = Array1::from_shape_fn(18, |k| durations[k / 2] * if k % 2 == 0 { 0.25 } else { 0.75 });
        let finer = model.simulate(&initial, &twice(&u), &parts).unwrap();
        assert_close(&finer.states.slice(s![1..;2, ..]), &path.states, 1e-13);
        // Steps of one length are the recurrence that the hold gives.
        let even = model.simulate(&initial, &u, &Array1::from_elem(9, 0.3)).unwrap();
        let steps = model.discretise(Rule::ZeroOrderHold, 0.3).unwrap();
        let run = steps.recurrent_from(&initial, &u).unwrap();
        assert_close(&even.states, &run.states, 1e-14);
        assert_close(&even.outputs, &run.outputs, 1e-13);
    }
}

/// How much halving the step divides the error by, for an input that is held for longer than a step.
#[test]
fn errors_shrink_at_the_order_of_the_rule() {
    let mut random = RandomState::new(3);
    let model = stable(3, 1, 1, &mut random);
    let held: Array2<f64> = random.normal_array((4, 1));
    let exact = model.simulate(&Array1::zeros(3), &held, &Array1::from_elem(4, 1.0)).unwrap();
    let error = |rule: Rule, per_hold: usize| {
        let steps = model.discretise(rule, 1.0 / per_hold as f64).unwrap();
        let u = Array2::from_shape_fn((4 * per_hold, 1), |(k, _)| held[[k / per_hold, 0]]);
        let y = steps.recurrent(&u).unwrap();
        (0..4).map(|k| (y[[(k + 1) * per_hold - 1, 0]] - exact.outputs[[k, 0]]).abs()).fold(0.0, f64::max)
    };
    for (rule, order) in [
        (Rule::Euler, 1.0),
        (Rule::BackwardEuler, 1.0),
        (Rule::GeneralisedBilinear(0.3), 1.0),
        (Rule::Bilinear, 2.0),
        (Rule::GeneralisedBilinear(0.5), 2.0),
    ] {
        let slope = (error(rule, 500) / error(rule, 1000)).log2();
        assert!((slope - order).abs() < 0.02, "{rule:?}: {slope}");
    }
    for per_hold in [1, 2, 7, 1000] {
        assert!(error(Rule::ZeroOrderHold, per_hold) < 1e-12);
    }
}

/// Planted: weights of 0.4^k for 2^−k in Gelfand's formula.
#[test]
fn only_eulers_rule_makes_a_stable_model_grow() {
    let decay = Continuous::siso(array![[-3.0]], array![1.0], array![1.0], 0.0).unwrap();
    let turn = Continuous::siso(array![[-0.1, -5.0], [5.0, -0.1]], array![1.0, 0.0], array![1.0, 0.0], 0.0).unwrap();
    for (model, rate, frequency) in [(&decay, -3.0, 0.0), (&turn, -0.1, 5.0)] {
        for step in [1e-4, 0.01, 0.5, 1.0, 40.0] {
            let growth = |rule: Rule| model.discretise(rule, step).unwrap().spectral_radius();
            // |1 + Δλ| of the model's eigenvalue.
            let (grows, turns) = (1.0 + step * rate, step * frequency);
            let euler = f64::hypot(grows, turns);
            assert!((growth(Rule::Euler) - euler).abs() < 1e-13 * euler);
            assert!((growth(Rule::ZeroOrderHold) - f64::exp(step * rate)).abs() < 1e-13);
            assert!((growth(Rule::BackwardEuler) - 1.0 / f64::hypot(1.0 - step * rate, turns)).abs() < 1e-13);
            for rule in [Rule::BackwardEuler, Rule::Bilinear, Rule::ZeroOrderHold, Rule::GeneralisedBilinear(0.7)] {
                assert!(growth(rule) < 1.0, "{rule:?} at {step}");
            }
            let u = Array2::zeros((50, 1));
            let initial = Array1::ones(model.a().nrows());
            let size = |rule: Rule| {
                let run = model.discretise(rule, step).unwrap().recurrent_from(&initial, &u).unwrap();
                run.states.row(49).iter().fold(0.0, |m: f64, x| m.max(x.abs()))
            };
            assert_eq!(size(Rule::Euler) > 2.0, euler.powi(50) > 2.0, "step {step}: {euler}");
            assert!(size(Rule::Bilinear) < 1.5);
        }
    }
    assert_eq!(
        Discrete::siso(array![[0.0, 1.0], [0.0, 0.0]], array![1.0, 0.0], array![1.0, 0.0], 0.0)
            .unwrap()
            .spectral_radius(),
        0.0
    );
}

/// Planted: x_{k−1} for x_k in the outputs; D left out.
#[test]
fn scipys_recurrence_impulse_and_held_input_are_these() {
    let reference = Reference::load("lti", "views").unwrap();
    let (model, step) = model(&reference, "");
    let matrix = |name: &str| reference.array::<Ix2>(name).unwrap();
    let initial = reference.array::<Ix1>("initial").unwrap();
    let steps = model.discretise(Rule::ZeroOrderHold, step).unwrap();
    let u = matrix("u");
    assert_close(&steps.recurrent_from(&initial, &u).unwrap().outputs, &matrix("outputs"), 1e-12);
    assert_close(&steps.recurrent(&u).unwrap(), &matrix("outputs_from_rest"), 1e-12);
    assert_close(&steps.convolutional(&u).unwrap(), &matrix("outputs_from_rest"), 1e-12);
    let path = model.simulate(&initial, &u, &Array1::from_elem(200, step)).unwrap();
    assert_close(&path.states, &matrix("states"), 1e-12);
    let kernel = reference.array::<Ix3>("kernel").unwrap();
    assert_close(&steps.kernel(200).unwrap(), &kernel, 1e-13);
    assert_close(&steps.kernel_by_steps(200).unwrap(), &kernel, 1e-13);
    let number = |name: &str| reference.array::<Ix0>(name).unwrap().into_scalar();
    assert!((steps.spectral_radius() - number("spectral_radius")).abs() < 1e-14);
    assert!((steps.spectral_radius() - (step * number("spectral_abscissa")).exp()).abs() < 1e-14);
}

/// SSM-01 to SSM-04: one answer, whichever way. Planted: the last of the kernel's blocks left out; w^k with
/// the other sign; Z_{M−k} not conjugated.
#[test]
fn the_three_views_agree() {
    let mut random = RandomState::new(4);
    for (n, inputs, outputs) in [(1, 1, 1), (3, 2, 4), (5, 3, 1), (16, 1, 2)] {
        let model = stable(n, inputs, outputs, &mut random);
        for length in [0, 1, 2, 3, 5, 8, 17, 100, 257, 1000] {
            let (_, rule) = RULES[length % RULES.len()];
            // Euler's rule needs a short step.
            let steps = model.discretise(rule, 0.02).unwrap();
            let u: Array2<f64> = random.normal_array((length, inputs));
            let recurrent = steps.recurrent(&u).unwrap();
            let (fast, direct) = (steps.convolutional(&u).unwrap(), steps.convolutional_direct(&u).unwrap());
            assert_eq!(
                (recurrent.dim(), fast.dim(), direct.dim()),
                ((length, outputs), (length, outputs), (length, outputs))
            );
            if length == 0 {
                continue;
            }
            assert_close(&fast, &recurrent, 1e-12);
            assert_close(&direct, &recurrent, 1e-12);
            let continuous = model.simulate(&Array1::zeros(n), &u, &Array1::from_elem(length, 0.02)).unwrap();
            let held = model.discretise(Rule::ZeroOrderHold, 0.02).unwrap();
            assert_close(&continuous.outputs, &held.convolutional(&u).unwrap(), 1e-12);
        }
    }
}

/// HiPPO's matrix, far from normal, for whose kernel rounding has the most room.
#[test]
fn the_kernel_by_blocks_is_the_kernel_by_steps() {
    let reference = Reference::load("lti", "discretisation").unwrap();
    let (model, _) = model(&reference, "legs_");
    for step in [1e-4, 0.01, 1.0] {
        for rule in [Rule::Bilinear, Rule::ZeroOrderHold] {
            let steps = model.discretise(rule, step).unwrap();
            for length in [0, 1, 2, 3, 10, 99, 1024] {
                let (blocks, plain) = (steps.kernel(length).unwrap(), steps.kernel_by_steps(length).unwrap());
                assert_eq!(blocks.dim(), (length, 1, 1));
                if length > 0 {
                    let largest = plain.iter().fold(0.0, |m: f64, k| m.max(k.abs()));
                    assert_close(&blocks, &plain, 1e-12 * largest);
                }
            }
        }
    }
}

#[test]
fn a_state_at_the_beginning_adds_its_own_response() {
    let mut random = RandomState::new(5);
    let steps = stable(4, 2, 3, &mut random).discretise(Rule::Bilinear, 0.1).unwrap();
    let (u, initial): (Array2<f64>, Array1<f64>) = (random.normal_array((60, 2)), random.normal_array(4));
    let run = steps.recurrent_from(&initial, &u).unwrap();
    assert_close(&(steps.convolutional(&u).unwrap() + steps.free_response(&initial, 60).unwrap()), &run.outputs, 1e-12);
    // C Ā^{k+1} x_{−1}, multiplied out.
    let mut state = initial.clone();
    let free = steps.free_response(&initial, 60).unwrap();
    for k in 0..60 {
        state = steps.a().dot(&state);
        assert_close(&free.row(k), &steps.c().dot(&state), 1e-14);
    }
    // One step at a time, and in two pieces.
    let mut now = initial.clone();
    for (k, u) in u.rows().into_iter().enumerate() {
        let y = steps.step(&mut now, &u).unwrap();
        assert_close(&y, &run.outputs.row(k), 1e-13);
        assert_close(&now, &run.states.row(k), 1e-14);
    }
    let first = steps.recurrent_from(&initial, &u.slice(s![..23, ..])).unwrap();
    let second = steps.recurrent_from(&first.states.row(22), &u.slice(s![23.., ..])).unwrap();
    assert_eq!(second.states, run.states.slice(s![23.., ..]));
    // Control theory's form: the state is the one before the input.
    let (a, b, c, d) = steps.delayed();
    let mut delayed = initial.clone();
    for (k, u) in u.rows().into_iter().enumerate() {
        assert_close(&(c.dot(&delayed) + d.dot(&u)), &run.outputs.row(k), 1e-12);
        delayed = a.dot(&delayed) + b.dot(&u);
    }
}

/// Sizes of all kinds: transforms of odd and even halves, of 1, of factors 3 and 5. Planted: a size that is one too small,
/// so that the end meets the beginning.
#[test]
fn fast_convolution_is_the_sum() {
    let mut random = RandomState::new(6);
    for length in (0..40).chain([63, 64, 65, 81, 100, 127, 250]) {
        for taps in [1, 2, 3, 7, 16, 31, 64, 200] {
            let (kernel, u): (Array1<f64>, Array1<f64>) = (random.normal_array(taps), random.normal_array(length));
            let (fast, direct) = (convolve_fft(&kernel, &u).unwrap(), convolve(&kernel, &u).unwrap());
            assert_eq!((fast.len(), direct.len()), (length, length));
            if length > 0 {
                assert_close(&fast, &direct, 1e-13);
            }
            let longer = Convolution::new(&kernel, length + 13).unwrap();
            let column = u.view().insert_axis(Axis(1));
            if length > 0 {
                assert_close(&longer.apply(&column).unwrap().column(0), &direct, 1e-13);
            }
        }
    }
}

/// Planted: the kernels of the first eight channels for those of the next.
#[test]
fn scipys_convolutions_are_these() {
    let reference = Reference::load("lti", "convolution").unwrap();
    for case in ["equal", "short_kernel", "long_kernel", "long"] {
        let array = |part: &str| reference.array::<Ix2>(&format!("{case}_{part}")).unwrap();
        let (kernels, u) = (array("kernels"), array("u"));
        let y = Convolution::per_channel(&kernels, u.nrows()).unwrap().apply(&u).unwrap();
        assert_close(&y, &array("y"), 1e-12);
        assert_close(&y, &array("direct"), 1e-12);
        let shared = Convolution::new(&kernels.row(0), u.nrows()).unwrap().apply(&u).unwrap();
        assert_close(&shared, &array("shared"), 1e-12);
        for (channel, kernel) in kernels.rows().into_iter().enumerate() {
            assert_close(&convolve(&kernel, &u.column(channel)).unwrap(), &array("direct").column(channel), 1e-12);
        }
        // Other layouts are the same numbers.
        let transposed = u.t().to_owned();
        assert_eq!(Convolution::per_channel(&kernels, u.nrows()).unwrap().apply(&transposed.t()).unwrap(), y);
    }
}

/// E-14: one kernel, as long as the input; how far it reaches is the step's and A's doing. Of half the step, every second
/// entry is that of the whole step but for one factor.
#[test]
fn the_step_sets_the_kernels_time_scale() {
    let model = Continuous::siso(array![[-1.0]], array![1.0], array![1.0], 0.0).unwrap();
    let kernel = |step: f64| model.discretise(Rule::ZeroOrderHold, step).unwrap().kernel(64).unwrap();
    let (whole, half) = (kernel(0.2), kernel(0.1));
    let factor = half[[0, 0, 0]] / whole[[0, 0, 0]];
    for j in 0..32 {
        assert!((half[[2 * j, 0, 0]] - factor * whole[[j, 0, 0]]).abs() < 1e-15);
    }
    // Entries of at least half the first: ln 2 / Δ steps.
    let reach = |kernel: &Array3<f64>| kernel.iter().filter(|&&k| k >= kernel[[0, 0, 0]] / 2.0).count();
    assert_eq!((reach(&whole), reach(&half)), (4, 7));
}

/// x_k = e^{−Δ} x_{k−1} + (1 − e^{−Δ}) u_k with Δ = softplus(gate_k): a selective model with one state.
fn gated(gates: &Array2<f64>, u: &Array2<f64>) -> Result<Array2<f64>> {
    let mut x = 0.0;
    Ok(Array2::from_shape_fn(u.dim(), |(k, _)| {
        let keep = 1.0 / (1.0 + gates[[k, 0]].exp());
        x = keep * x + (1.0 - keep) * u[[k, 0]];
        x
    }))
}

/// SSM-05, E-09, E-11, E-15: which property a selective model gives up depends on what is held fixed. Planted: the
/// answer compared with itself unshifted.
#[test]
fn linearity_and_time_invariance_are_told_apart() {
    let mut random = RandomState::new(7);
    let steps = stable(4, 1, 2, &mut random).discretise(Rule::ZeroOrderHold, 0.1).unwrap();
    let (u, v): (Array2<f64>, Array2<f64>) = (random.normal_array((50, 1)), random.normal_array((50, 1)));
    let parts = [(2.0, &*u), (-0.7, &*v)];
    for shift in [0, 1, 17, 49] {
        assert!(shift_error(|u| steps.recurrent(u), &u, shift).unwrap() < 1e-14);
        assert!(shift_error(|u| steps.convolutional(u), &u, shift).unwrap() < 1e-13);
    }
    assert!(superposition_error(|u| steps.recurrent(u), parts).unwrap() < 1e-13);
    // Gates made from u and then kept: linear, but another model at every time.
    let frozen = |x: &Array2<f64>| gated(&u, x);
    assert!(superposition_error(frozen, parts).unwrap() < 1e-14);
    assert!(shift_error(frozen, &u, 5).unwrap() > 0.1);
    // Gates made from whatever comes: no clock, but not linear, so that there is no kernel.
    let selective = |x: &Array2<f64>| gated(x, x);
    assert!(superposition_error(selective, parts).unwrap() > 0.1);
    assert!(shift_error(selective, &u, 5).unwrap() < 1e-14);
}

/// Planted: any pivot but 0 taken for regular.
#[test]
fn what_cannot_be_is_refused() {
    let empty = Array2::<f64>::zeros((0, 0));
    assert!(message(expm(&empty)).contains("empty"));
    assert!(message(expm(&array![[1.0, 2.0]])).contains("as many rows as columns"));
    assert!(message(expm(&array![[f64::NAN]])).contains("NaN at [0, 0]"));
    assert!(message(expm(&array![[f64::INFINITY]])).contains("inf"));
    for beyond in [710.0, 1e10, 1e31, 1e308] {
        assert!(message(expm(&array![[beyond, 0.0], [beyond, beyond]])).contains("smaller units"));
    }
    let (one, number) = (array![[1.0]], array![1.0]);
    let continuous = |a: &Array2<f64>, b: &Array2<f64>, c: &Array2<f64>, d: &Array2<f64>| {
        let [a, b, c, d] = [a, b, c, d].map(|matrix| matrix.clone());
        let refused = message(Discrete::new(a.clone(), b.clone(), c.clone(), d.clone()));
        assert_eq!(refused, message(Continuous::new(a, b, c, d)));
        refused
    };
    let zeros = Array2::<f64>::zeros;
    assert!(continuous(&empty, &zeros((0, 1)), &zeros((1, 0)), &one).contains("`a` is empty"));
    assert!(continuous(&one, &zeros((1, 0)), &one, &zeros((1, 0))).contains("`b` is empty"));
    assert!(continuous(&one, &one, &zeros((0, 1)), &zeros((0, 1))).contains("`c` is empty"));
    assert!(continuous(&zeros((2, 3)), &one, &one, &one).contains("`a` has the shape [2, 3]"));
    assert!(continuous(&one, &zeros((2, 1)), &one, &one).contains("`b` has the shape"));
    assert!(continuous(&one, &one, &zeros((1, 2)), &one).contains("`c` has the shape"));
    assert!(continuous(&one, &one, &one, &zeros((2, 1))).contains("`d` has the shape"));
    for k in 0..4 {
        let mut matrices = [one.clone(), one.clone(), one.clone(), one.clone()];
        matrices[k][[0, 0]] = f64::NAN;
        let [a, b, c, d] = &matrices;
        assert!(continuous(a, b, c, d).contains("holds NaN"));
    }
    assert!(Continuous::siso(one.clone(), array![1.0, 2.0], number.clone(), 0.0).is_err());
    assert!(Discrete::siso(one.clone(), number.clone(), array![], 0.0).is_err());

    let grows = Continuous::siso(array![[2.0]], number.clone(), number.clone(), 0.0).unwrap();
    for step in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        assert!(message(grows.discretise(Rule::Bilinear, step)).contains("`step`"));
        assert!(message(grows.simulate(&number, &one, &array![step])).contains("`durations`"));
    }
    for alpha in [-0.1, 1.1, f64::NAN] {
        assert!(message(grows.discretise(Rule::GeneralisedBilinear(alpha), 0.1)).contains("`alpha`"));
    }
    // 1 − ½ Δ 2 = 0.
    assert!(message(grows.discretise(Rule::Bilinear, 1.0)).contains("take a shorter step"));
    // The same but for rounding, with A's eigenvalue of (5 + √33) / 2.
    let mixed = Continuous::siso(array![[1.0, 2.0], [3.0, 4.0]], array![1.0, 1.0], array![1.0, 1.0], 0.0).unwrap();
    let singular = 4.0 / (5.0 + 33.0_f64.sqrt());
    assert!(message(mixed.discretise(Rule::Bilinear, singular)).contains("take a shorter step"));
    assert!(mixed.discretise(Rule::Bilinear, singular * (1.0 + 1e-12)).is_ok());
    assert!(message(grows.discretise(Rule::ZeroOrderHold, 1e3)).contains("so short"));
    assert!(message(grows.discretise(Rule::Euler, 1e308)).contains("so short"));
    assert!(message(grows.discretise(Rule::BackwardEuler, 1e308)).contains("so short"));

    assert!(message(grows.simulate(&array![1.0, 2.0], &one, &number)).contains("`initial`"));
    assert!(message(grows.simulate(&array![f64::NAN], &one, &number)).contains("`initial`"));
    assert!(message(grows.simulate(&number, &one, &array![1.0, 1.0])).contains("`durations`"));
    assert!(message(grows.simulate(&number, &zeros((1, 2)), &number)).contains("`u` has the shape [1, 2]"));
    let held = message(grows.simulate(&number, &zeros((9, 1)), &Array1::from_elem(9, 300.0)));
    assert!(held.contains("at step 1 (counted from 0)"), "{held}");
    assert_eq!(grows.simulate(&number, &zeros((0, 1)), &array![]).unwrap().outputs.dim(), (0, 1));

    let doubles = Discrete::siso(array![[2.0]], number.clone(), number.clone(), 1.0).unwrap();
    assert_eq!(doubles.kernel(1000).unwrap()[[999, 0, 0]], 2.0_f64.powi(999));
    for refused in [
        message(doubles.recurrent(&Array2::ones((2000, 1)))),
        message(doubles.recurrent_from(&number, &zeros((2000, 1)))),
        message(doubles.free_response(&number, 2000)),
        message(doubles.kernel(2000)),
        message(doubles.kernel_by_steps(2000)),
        message(doubles.convolutional(&Array2::ones((2000, 1)))),
        message(doubles.convolutional_direct(&Array2::ones((2000, 1)))),
    ] {
        assert!(refused.contains("range of f64 at step 102") && refused.contains("spectral_radius"), "{refused}");
    }
    let nan = array![[f64::NAN]];
    for refused in [
        message(doubles.recurrent(&nan)),
        message(doubles.convolutional(&nan)),
        message(doubles.convolutional_direct(&nan)),
        message(doubles.recurrent_from(&number, &nan)),
        message(doubles.step(&mut doubles.rest(), &array![f64::NAN])),
    ] {
        assert!(refused.contains("`u` holds NaN"), "{refused}");
    }
    assert!(message(doubles.recurrent(&zeros((3, 2)))).contains("`u`"));
    assert!(message(doubles.step(&mut array![1.0, 2.0], &number)).contains("`state`"));
    assert!(message(doubles.step(&mut array![1e308], &array![1e308])).contains("range of f64"));
    assert_eq!(doubles.recurrent_from(&number, &zeros((0, 1))).unwrap().states.dim(), (0, 1));

    let nothing: Array1<f64> = array![];
    assert!(message(convolve(&nothing, &number)).contains("`kernel` is empty"));
    assert!(message(convolve_fft(&nothing, &number)).contains("`kernel` is empty"));
    assert!(message(Convolution::per_channel(&zeros((0, 3)), 3)).contains("`kernels` is empty"));
    assert!(message(convolve(&array![f64::NAN], &number)).contains("`kernel`"));
    assert!(message(convolve_fft(&number, &array![f64::INFINITY])).contains("`u`"));
    let two = Convolution::per_channel(&zeros((2, 3)), 4).unwrap();
    assert!(message(two.apply(&zeros((4, 3)))).contains("one column per kernel"));
    assert!(message(two.apply(&zeros((5, 2)))).contains("at most 4 times"));
    assert_eq!(two.apply(&zeros((0, 2))).unwrap().dim(), (0, 2));
    assert_eq!(Convolution::new(&number, 0).unwrap().apply(&zeros((0, 0))).unwrap().dim(), (0, 0));
    assert_eq!(format!("{two:?}"), "Convolution(2 kernels, at most 4 times)");

    let same = |u: &Array2<f64>| Ok(u.clone());
    assert!(message(shift_error(same, &one, 1)).contains("`shift`"));
    assert!(message(shift_error(same, &empty, 0)).contains("empty"));
    assert!(message(shift_error(|_: &Array2<f64>| Ok(zeros((5, 1))), &one, 0)).contains("`map`"));
    assert!(message(shift_error(|u: &Array2<f64>| Ok(u / 0.0), &one, 0)).contains("finite answers"));
    assert!(message(shift_error(|u: &Array2<f64>| doubles.recurrent(&u.t()), &zeros((1, 2)), 0)).contains("`map`"));
    assert!(message(superposition_error(same, [(1.0, &one), (1.0, &zeros((2, 1)))])).contains("`v`"));
    assert!(message(superposition_error(same, [(1.0, &one), (f64::NAN, &one)])).contains("factor"));
}

//! S4 and S4D: dense recurrences, closed forms of the continuous kernel, mpmath's 60 digits, LAPACK's eigenvalues, torch's
//! kernels and slopes.

use mlnotes::prelude::*;
use mlnotes::ssm::hippo::Measure;
use mlnotes::ssm::lti::{Continuous, Rule, convolve};
use mlnotes::ssm::s4::{Complex, Nplr, S4, S4d, S4dInit, eigenvector_condition, legs_eigenvectors};

use crate::{assert_close, message};

const STARTS: [(&str, S4dInit); 4] =
    [("lin", S4dInit::Lin), ("inv", S4dInit::Inv), ("real", S4dInit::Real), ("legs", S4dInit::Legs)];

fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |m: f64, x| if x.is_nan() { f64::NAN } else { m.max(x.abs()) })
}

fn normal<I: ndarray::IntoDimension>(seed: u32, shape: I) -> ndarray::Array<f64, I::Dim> {
    RandomState::new(seed).normal_array(shape)
}

/// Real and imaginary part, stored apart.
fn complex(reference: &Reference, name: &str) -> Array2<Complex<f64>> {
    let part = |part| reference.array::<ndarray::Ix2>(&format!("{name}_{part}")).unwrap();
    ndarray::Zip::from(&part("re")).and(&part("im")).map_collect(|&re, &im| Complex::new(re, im))
}

/// V* V = I, (A + P Pᵀ) V = V Λ, V (Λ − p p*) V* = A, for LegS and for any skew-symmetric matrix with a shift and a P.
///
/// Planted: the sign of p vᵀ in the reflections; +1 for i² in D; the eigenvalues' order.
#[test]
fn normal_plus_low_rank_is_what_it_says() {
    for n in [2, 4, 6, 16, 64, 130, 256] {
        let legs = Nplr::legs(n).unwrap();
        let p = Array1::from_shape_fn(n, |n| (n as f64 + 0.5).sqrt());
        let x: Array2<f64> = normal(n as u32, (n, n));
        let other: Array1<f64> = normal(1, n);
        let rank_one = |p: &Array1<f64>| Array2::from_shape_fn((n, n), |(i, j)| p[i] * p[j]);
        let a = &x - &x.t() - &(Array2::<f64>::eye(n) * 0.3) - &rank_one(&other);
        // Two turns of the same speed: eigenvalues that coincide.
        let turns = Array2::from_shape_fn((n, n), |(i, j)| f64::from(i32::from(j == i ^ 1)) * (i as f64 - j as f64));
        let none = Array1::zeros(n);
        let all = [(legs, p), (Nplr::new(&a, &other).unwrap(), other), (Nplr::new(&turns, &none).unwrap(), none)];
        for (nplr, p) in all {
            let scale = largest(nplr.a()).max(1.0);
            assert_close(&(nplr.multiplied_out() / scale), &(nplr.a() / scale), 1e-12);
            let v = nplr.vectors();
            let gram = v.t().mapv(|v| v.conj()).dot(v);
            assert_close(&gram.mapv(|z| z.re), &Array2::eye(n / 2), 1e-12);
            assert!(largest(&gram.mapv(|z| z.im)) < 1e-12);
            // To the other halves too: Vᵀ V = 0.
            assert!(v.t().dot(v).iter().all(|z| z.norm() < 1e-12));
            let moved = (nplr.a() + &rank_one(&p)).mapv(|x| Complex::new(x, 0.0)).dot(v);
            let off = &moved - &(v * nplr.eigenvalues());
            assert!(off.iter().all(|z| z.norm() < 1e-12 * scale), "{n}");
            assert!(nplr.eigenvalues().iter().all(|lambda| lambda.im > 0.0));
        }
    }
}

/// A + P Pᵀ + ½ I is skew-symmetric exactly where the square roots are, else to their rounding (INDEX E-13).
#[test]
fn legs_is_normal_but_for_rank_one() {
    let (a, _) = Measure::LegS.matrices(64).unwrap();
    let entry = |i: usize, j: usize| a[[i, j]] + ((i as f64 + 0.5) * (j as f64 + 0.5)).sqrt();
    for i in 0..64 {
        assert_eq!(entry(i, i) + 0.5, 0.0);
        assert!((0..i).all(|j| (entry(i, j) + entry(j, i)).abs() < 1e-13));
    }
}

/// Planted: a sum that begins at n = j + 1; columns without a common length.
#[test]
fn the_diagonal_form_of_a_itself_is_useless() {
    let reference = Reference::load("s4", "structure").unwrap();
    let orders: Array1<i64> = reference.integers("orders").unwrap();
    let (exact, lapack): (Array1<f64>, Array1<f64>) =
        (reference.array("conditions").unwrap(), reference.array("lapack_conditions").unwrap());
    for (i, &order) in orders.iter().enumerate() {
        let order = order as usize;
        let condition = eigenvector_condition(order).unwrap();
        assert!((condition / exact[i] - 1.0).abs() < 1e-9, "{order}: {condition:e}");
        assert!((condition / lapack[i] - 1.0).abs() < 1e-6, "{order}: {condition:e}");
        let (a, v) = (Measure::LegS.matrices(order).unwrap().0, legs_eigenvectors(order).unwrap());
        let scaled = &v * &Array1::from_shape_fn(order, |j| -(j as f64 + 1.0));
        assert!(largest(&(a.dot(&v) - scaled)) < 1e-12);
    }
    for order in [2, 4, 16, 64] {
        let want: Array1<f64> = reference.array(&format!("frequencies_{order}")).unwrap();
        let got = Nplr::legs(order).unwrap().eigenvalues().mapv(|lambda| lambda.im);
        assert_close(&(got / want[0]), &(&want / want[0]), 1e-14);
    }
}

/// The kernel four ways: nodes and sums in registers, the paper's equations, the dense recurrence, O(N) steps.
///
/// Planted: C for C̃; conjugates not taken in the second half of the spectrum; p* without its star; 2 forgotten in 2 A₁ B.
#[test]
fn the_kernel_is_the_recurrence() {
    for (order, length, step) in [
        (64, 1000, 0.001),
        (64, 1001, 0.01),
        (64, 64, 1e-4),
        (16, 257, 0.1),
        (4, 1, 0.3),
        (4, 2, 0.3),
        (4, 3, 5.0),
        (2, 20, 100.0),
        (128, 500, 0.002),
    ] {
        let model = S4::legs(&normal(3, order), 0.7, step).unwrap();
        let want = model.discrete().unwrap().kernel_by_steps(length).unwrap().flatten().to_owned();
        let scale = largest(&want);
        let case = format!("N = {order}, L = {length}, step {step}");
        let close = |what: &str, got: &Array1<f64>, tolerance: f64| {
            let off = largest(&(got - &want)) / scale;
            assert!(off < tolerance, "{what} {case}: {off:e}");
        };
        close("fast", &model.kernel(length).unwrap(), 1e-11);
        close("equations", &model.kernel_by_equations(length).unwrap(), 1e-11);
        let recurrence = model.recurrence();
        let mut impulse = Array1::zeros(length);
        impulse[0] = 1.0;
        let mut stepped = recurrence.recurrent(&impulse).unwrap();
        stepped[0] -= 0.7;
        close("steps", &stepped, 1e-11);
        let u: Array1<f64> = normal(4, length);
        let y = convolve(&model.kernel(length).unwrap(), &u).unwrap() + &u * 0.7;
        let stepped = recurrence.recurrent(&u).unwrap();
        assert!(largest(&(&y - &stepped)) < 1e-11 * largest(&y).max(scale), "{case}");
    }
}

/// What 60 digits say.
#[test]
fn the_kernel_is_mpmaths() {
    let reference = Reference::load("s4", "kernels").unwrap();
    for order in [2, 4, 16, 32] {
        let step = reference.array::<ndarray::Ix0>(&format!("step_{order}")).unwrap().into_scalar();
        let c: Array1<f64> = reference.array(&format!("c_{order}")).unwrap();
        let want: Array1<f64> = reference.array(&format!("kernel_{order}")).unwrap();
        let model = S4::legs(&c, 0.0, step).unwrap();
        let scale = largest(&want);
        assert_close(&(model.kernel(want.len()).unwrap() / scale), &(&want / scale), 1e-12);
        assert_close(&(model.kernel_by_equations(want.len()).unwrap() / scale), &(&want / scale), 1e-12);
    }
}

/// e^{tA} B has a closed form for LegS: √(2n+1) P_n(2e^{−t} − 1) e^{−t}, since the clock log t makes it so. The kernel
/// tends to Δ C e^{lΔA} B with an error of second order in Δ at the middle of each step, whatever Δ samples it (E-14).
#[test]
fn the_kernel_samples_one_function_of_time() {
    let c: Array1<f64> = normal(5, 8);
    let model = S4::legs(&c, 0.0, 1.0).unwrap();
    let kernel_at = |time: f64| {
        let basis = Measure::LegS.basis(8, &array![1.0 - (-time).exp()]).unwrap();
        (-time).exp() * basis.row(0).dot(&c)
    };
    let error = |step: f64| {
        let length = (3.0 / step) as usize;
        let kernel = model.with_step(step).unwrap().kernel(length).unwrap();
        let want = Array1::from_shape_fn(length, |l| step * kernel_at((l as f64 + 0.5) * step));
        largest(&(kernel - want)) / step
    };
    let errors = [0.005, 0.0025, 0.00125].map(error);
    for pair in errors.windows(2) {
        assert!(((pair[0] / pair[1]).log2() - 2.0).abs() < 0.1, "{errors:?}");
    }
}

/// C̃ = C (I − Ā^L), by L multiplications.
#[test]
fn the_truncated_output_is_what_the_last_state_leaves() {
    let model = S4::legs(&normal(6, 6), 0.0, 0.05).unwrap();
    let discrete = model.discrete().unwrap();
    for length in [0, 1, 2, 7, 30] {
        let mut moved = discrete.c().row(0).to_owned();
        (0..length).for_each(|_| moved = moved.dot(discrete.a()));
        assert_close(&model.truncated_output(length).unwrap(), &(&discrete.c().row(0) - &moved), 1e-13);
    }
}

fn diagonal(reference: &Reference, name: &str, rule: Rule) -> S4d {
    let part = |part: &str| complex(reference, &format!("{name}_{part}"));
    let steps = reference.array("steps").unwrap();
    S4d::new(part("eigenvalues"), part("b"), part("c"), Array1::zeros(3), steps, rule).unwrap()
}

/// Planted: n + 1 for 2n + 1 in Inv; Δ missing from B̄ under the bilinear rule; Im left's sign.
#[test]
fn diagonal_kernels_are_torchs() {
    let reference = Reference::load("s4", "diagonal").unwrap();
    for (name, init) in STARTS {
        let want = complex(&reference, &format!("{name}_eigenvalues"));
        for (got, want) in init.eigenvalues(8).unwrap().iter().zip(want.row(0)) {
            assert!((got - want).norm() < 1e-11, "{name}: {got} {want}");
        }
        for (rule_name, rule) in [("hold", Rule::ZeroOrderHold), ("bilinear", Rule::Bilinear)] {
            let model = diagonal(&reference, name, rule);
            let want: Array2<f64> = reference.array(&format!("{name}_{rule_name}_kernel")).unwrap();
            let scale = largest(&want);
            assert_close(&(model.kernel(50).unwrap() / scale), &(&want / scale), 1e-13);
            assert_close(&(model.kernel_by_powers(50).unwrap() / scale), &(&want / scale), 1e-13);
        }
    }
}

/// The derivatives that `S4d::kernel` states, against torch's reverse mode.
#[test]
fn the_stated_derivatives_are_torchs() {
    let reference = Reference::load("s4", "diagonal").unwrap();
    let weights: Array2<f64> = reference.array("weights").unwrap();
    for (name, _) in STARTS {
        let model = diagonal(&reference, name, Rule::ZeroOrderHold);
        let slopes = ["eigenvalues", "b", "c"].map(|part| complex(&reference, &format!("{name}_{part}_slope")));
        let of_steps: Array1<f64> = reference.array(&format!("{name}_steps_slope")).unwrap();
        for h in 0..3 {
            let step = model.steps()[h];
            let mut of_step = 0.0;
            for n in 0..8 {
                let at = [h, n];
                let (lambda, b, c) = (model.eigenvalues()[at], model.b()[at], model.c()[at]);
                let (a, taken) = (model.transition()[at], model.input()[at]);
                let sum = |term: &dyn Fn(f64) -> Complex<f64>| -> Complex<f64> {
                    (0..50).map(|l| term(l as f64) * a.powu(l as u32) * 2.0 * weights[[h, l]]).sum()
                };
                let of_a = sum(&|l| c * taken * l / a);
                let of_input = (a * lambda * step - a + 1.0) / (lambda * lambda);
                let got =
                    [of_a * step * a + sum(&|_| c * b * of_input), sum(&|_| c * (a - 1.0) / lambda), sum(&|_| taken)];
                for (got, want) in got.iter().zip(&slopes) {
                    let off = (got.conj() - want[at]).norm();
                    assert!(off < 1e-11 * want.iter().fold(1.0, |m: f64, z| m.max(z.norm())), "{name} {off:e}");
                }
                of_step += sum(&|l| c * b * a * (1.0 + l * (1.0 - a.inv()))).re;
            }
            let off = (of_step - of_steps[h]).abs();
            assert!(off < 1e-11 * largest(&of_steps), "{name} {off:e}");
        }
    }
}

/// Every entry of a long kernel against exp(l Δ λ), and a recurrence against the convolution.
///
/// Planted: one power too few between the rows; l/2 twice for an odd l.
#[test]
fn a_long_diagonal_kernel_is_the_exponential() {
    for (_, init) in STARTS {
        for modes in [1, 5, 32] {
            let mut random = RandomState::new(modes as u32);
            let model = S4d::random(init, 3, modes, (0.001, 0.1), Rule::ZeroOrderHold, &mut random).unwrap();
            for length in [1, 2, 9, 1000, 16384] {
                let (got, want) = (model.kernel(length).unwrap(), model.kernel_by_powers(length).unwrap());
                let scale = largest(&want);
                assert_close(&(got / scale), &(&want / scale), 1e-12);
            }
            for rule in [Rule::Bilinear, Rule::ZeroOrderHold, Rule::BackwardEuler] {
                let model = S4d::random(init, 3, modes, (0.001, 0.1), rule, &mut random).unwrap();
                let u: Array2<f64> = normal(9, (300, 3));
                let (by_steps, at_once) = (model.recurrent(&u).unwrap(), model.convolutional(&u).unwrap());
                assert!(largest(&(&by_steps - &at_once)) < 1e-12 * largest(&by_steps).max(1.0));
            }
        }
    }
}

/// A diagonal real system is the same in `lti`, by every rule.
#[test]
fn diagonal_rules_are_those_of_lti() {
    let rates = [-0.5, -2.0, 0.0, -1e-9];
    let (a, b) = (Array2::from_diag(&Array1::from(rates.to_vec())), Array2::ones((4, 1)));
    let complex = |values: &[f64]| Array2::from_shape_fn((1, 4), |(_, n)| Complex::new(values[n], 0.0));
    for rule in [Rule::Euler, Rule::BackwardEuler, Rule::Bilinear, Rule::GeneralisedBilinear(0.3), Rule::ZeroOrderHold]
    {
        let model =
            S4d::new(complex(&rates), complex(&[1.0; 4]), complex(&[1.0; 4]), array![0.0], array![0.7], rule).unwrap();
        let (transition, input) = rule.discretise(&a, &b, 0.7).unwrap();
        let real = |z: &Array2<Complex<f64>>| z.row(0).mapv(|z| z.re);
        assert_close(&real(model.transition()), &transition.diag(), 1e-15);
        assert_close(&real(model.input()), &input.column(0), 1e-15);
    }
}

/// Without the low rank, with B/2, what LegS answers to a smooth input is answered ever better as N grows (not so its
/// impulse response, point by point): x′ = A x + B u = (A + P Pᵀ) x + B (u − ½ Bᵀ x), and Bᵀ x, the memory of now, is u.
/// This is why S4D works (Theorem 3 of its paper).
#[test]
fn leaving_out_the_low_rank_costs_little_for_a_large_order() {
    let u = Array2::from_shape_fn((300, 1), |(k, _)| (0.01 * k as f64).sin().powi(2));
    let answer = |order: usize, low_rank: bool| {
        let (a, b) = Measure::LegS.matrices(order).unwrap();
        let half = |i: usize, j: usize| ((i as f64 + 0.5) * (j as f64 + 0.5)).sqrt();
        let normal = Array2::from_shape_fn((order, order), |(i, j)| a[[i, j]] + half(i, j));
        let (a, b) = if low_rank { (a, b) } else { (normal, b * 0.5) };
        let first_four = Array2::from_shape_fn((4, order), |(i, j)| f64::from(u8::from(i == j)));
        let system = Continuous::new(a, b.insert_axis(Axis(1)), first_four, Array2::zeros((4, 1))).unwrap();
        system.discretise(Rule::Bilinear, 0.01).unwrap().recurrent(&u).unwrap()
    };
    let errors = [8, 32, 128].map(|order| largest(&(answer(order, true) - answer(order, false))));
    assert!(errors.windows(2).all(|pair| pair[1] < 0.5 * pair[0]), "{errors:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for order in [0, 1, 7] {
        assert!(message(Nplr::legs(order)).contains("even"));
        assert!(message(S4::legs(&Array1::zeros(order), 0.0, 0.1)).contains("even"));
    }
    assert!(message(Nplr::new(&array![[1.0, f64::NAN], [0.0, 1.0]], &array![0.0, 0.0])).contains("remove such rows"));
    assert!(message(Nplr::new(&array![[1.0, 2.0]], &array![0.0, 0.0])).contains("shape"));
    assert!(message(Nplr::new(&array![[1.0, 2.0], [0.0, 1.0]], &array![0.0, 0.0])).contains("skew"));
    assert!(message(Nplr::new(&Array2::eye(4), &Array1::zeros(4))).contains("regular"));
    assert!(message(Nplr::legs(4).unwrap().to_modes(&array![1.0])).contains("shape"));
    assert!(message(legs_eigenvectors(0)).contains("order"));
    assert!(message(eigenvector_condition(101)).contains("order"));
    assert!((eigenvector_condition(1).unwrap() - 1.0).abs() < 1e-15);

    let c = array![1.0, 2.0];
    for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(S4::legs(&c, 0.0, step)).contains("step"));
        assert!(message(S4::legs(&c, 0.0, 1.0).unwrap().with_step(step)).contains("step"));
    }
    assert!(message(S4::legs(&c, f64::NAN, 1.0)).contains("`d`"));
    assert!(message(S4::legs(&array![1.0, f64::NAN], 0.0, 1.0)).contains("`c`"));
    assert!(message(S4::new(Nplr::legs(2).unwrap(), &array![1.0], &c, 0.0, 1.0)).contains("`b`"));
    let model = S4::legs(&c, 0.0, 1.0).unwrap();
    assert_eq!(model.kernel(0).unwrap().len(), 0);
    assert_eq!(model.kernel_by_equations(0).unwrap().len(), 0);
    for step in [1e-300, 1e300] {
        // Either finite or refused.
        let kernel = model.with_step(step).unwrap().kernel(5);
        assert!(kernel.is_err() || kernel.unwrap().iter().all(|k| k.is_finite()));
    }
    let recurrence = model.recurrence();
    assert!(message(recurrence.step(&mut Array1::zeros(3), 1.0)).contains("rest"));
    assert!(message(recurrence.step(&mut recurrence.rest(), f64::NAN)).contains("`u`"));
    assert!(message(recurrence.recurrent(&array![f64::NAN])).contains("`u`"));
    assert_eq!(recurrence.recurrent(&array![]).unwrap().len(), 0);

    assert!(message(S4dInit::Inv.eigenvalues(0)).contains("modes"));
    let one = |re: f64| Array2::from_elem((1, 1), Complex::new(re, 0.0));
    let make = |lambda, b, c, d, steps, rule| S4d::new(lambda, b, c, d, steps, rule);
    let hold = Rule::ZeroOrderHold;
    let (d, steps) = (array![0.0], array![0.1]);
    let none = Array2::from_elem((0, 0), Complex::new(0.0, 0.0));
    assert!(message(make(none, one(1.0), one(1.0), d.clone(), steps.clone(), hold)).contains("eigenvalues"));
    let wide = Array2::from_elem((1, 2), Complex::new(0.0, 0.0));
    assert!(message(make(one(-1.0), wide, one(1.0), d.clone(), steps.clone(), hold)).contains("`b`"));
    assert!(message(make(one(-1.0), one(1.0), one(f64::NAN), d.clone(), steps.clone(), hold)).contains("`c`"));
    assert!(message(make(one(-1.0), one(1.0), one(1.0), array![0.0, 1.0], steps.clone(), hold)).contains("`d`"));
    assert!(message(make(one(-1.0), one(1.0), one(1.0), d.clone(), array![0.0], hold)).contains("steps"));
    let skewed = Rule::GeneralisedBilinear(2.0);
    assert!(message(make(one(-1.0), one(1.0), one(1.0), d.clone(), steps.clone(), skewed)).contains("alpha"));
    // 1 − ½ Δ λ = 0.
    assert!(message(make(one(20.0), one(1.0), one(1.0), d.clone(), steps.clone(), Rule::Bilinear)).contains("shorter"));
    let grows = make(one(50.0), one(1.0), one(1.0), d, steps, hold).unwrap();
    assert!(message(grows.kernel(1000)).contains("real part"));
    assert!(message(grows.kernel_by_powers(1000)).contains("real part"));
    assert_eq!(grows.kernel(0).unwrap().dim(), (1, 0));
    let mut random = RandomState::new(0);
    assert!(message(S4d::random(S4dInit::Lin, 0, 2, (0.1, 0.2), hold, &mut random)).contains("channel"));
    assert!(message(S4d::random(S4dInit::Lin, 1, 2, (0.2, 0.1), hold, &mut random)).contains("longest"));
    assert!(message(S4d::random(S4dInit::Lin, 1, 2, (f64::NAN, 0.1), hold, &mut random)).contains("shortest"));
    let model = S4d::random(S4dInit::Lin, 2, 2, (0.1, 0.2), hold, &mut random).unwrap();
    assert!(message(model.step(&mut model.rest(), &array![1.0])).contains("`u`"));
    assert!(
        message(model.step(&mut Array2::from_elem((1, 1), Complex::new(0.0, 0.0)), &array![1.0, 2.0])).contains("rest")
    );
    assert!(message(model.recurrent(&Array2::zeros((4, 3)))).contains("channel"));
    assert!(message(model.convolutional(&array![[f64::NAN, 0.0]])).contains("`u`"));
    assert_eq!(model.convolutional(&Array2::zeros((0, 2))).unwrap().dim(), (0, 2));
    assert_eq!(model.recurrent(&Array2::zeros((0, 2))).unwrap().dim(), (0, 2));
}

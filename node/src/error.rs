//! Failures of the protocol as JavaScript errors, and the core's table of codes.

use napi::{
    Env, Error, JsTypeError, Result, Status, Unknown,
    bindgen_prelude::{FnArgs, Function, FunctionRef},
};
use napi_derive::napi;

/// What the factory is called with: code and detail.
type Failure = FnArgs<(String, String)>;

/// `(code, detail) => NenError`.
struct ErrorFactory(FunctionRef<Failure, Unknown<'static>>);

/// One row of the core's table of codes.
#[napi(object, object_from_js = false)]
pub struct ErrorInfo {
    /// `ISO-<number>`.
    pub code: &'static str,
    /// The symbolic name.
    pub name: &'static str,
    /// The family of the code.
    pub category: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// One sentence that is safe to send.
    pub message: &'static str,
    /// Cause and fix, for the log of the side that raised it.
    pub hint: &'static str,
}

/// The core's table of codes, in ascending order.
#[napi(catch_unwind)]
pub fn error_table() -> Vec<ErrorInfo> {
    let row = |code: &nen::Code| ErrorInfo {
        code: code.as_str(),
        name: code.name(),
        category: code.category().name(),
        status: code.http_status(),
        message: code.message(),
        hint: code.hint(),
    };
    nen::Code::ALL.iter().map(row).collect()
}

/// Says how failures become JavaScript errors. Called once, by the module that defines `NenError`.
#[napi(catch_unwind)]
pub fn register_error_factory(env: Env, factory: Function<'_, Failure, Unknown<'static>>) -> Result<()> {
    // Kept with the environment: the main thread and each worker have a class of their own.
    env.set_instance_data(ErrorFactory(factory.create_ref()?), (), |_| {})
}

/// A failure of the core as the error to throw.
pub(crate) fn thrown(env: Env, error: nen::Error) -> Error {
    let (code, detail) = (error.code().as_str(), error.detail());
    let made = match env.get_instance_data::<ErrorFactory>() {
        Ok(Some(ErrorFactory(factory))) => factory
            .borrow_back(&env)
            .and_then(|factory| factory.call((code.to_owned(), detail.to_owned()).into())),
        _ => Err(Error::from_reason(format!("{code}: {detail}"))),
    };
    made.map_or_else(|error| error, Error::from)
}

/// An argument that cannot be, as a `TypeError`.
pub(crate) fn misuse(env: Env, message: String) -> Error {
    JsTypeError::from(Error::new(Status::InvalidArg, message)).into_unknown(env).into()
}

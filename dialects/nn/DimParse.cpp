// Text of dimension expressions: `2 * batch + floordiv(h + 1, 2)`.
#include "dialects/nn/Polynomial.h"

using namespace mlir;

namespace tenon::nn {

Dim applyCall(StringRef function, Dim lhs, Dim rhs);

// --- printing

/// Names that the grammar gives another meaning; as symbols they are written in quotes.
static bool isReserved(StringRef name) {
  return name == "floordiv" || name == "mod" || name == "min" || name == "max" || name == "overflow";
}

static bool isIdentifier(StringRef name) {
  auto isWord = [](char c) { return llvm::isAlnum(c) || c == '_'; };
  return !name.empty() && !llvm::isDigit(name.front()) && llvm::all_of(name, isWord) && !isReserved(name);
}

static void printExpr(raw_ostream &os, ExprAttr expr);

static void printAtom(raw_ostream &os, Attribute atom) {
  if (auto symbol = dyn_cast<StringAttr>(atom)) {
    if (isIdentifier(symbol.getValue())) {
      os << symbol.getValue();
      return;
    }
    os << '"';
    llvm::printEscapedString(symbol.getValue(), os);
    os << '"';
    return;
  }
  if (auto call = dyn_cast<CallAttr>(atom)) {
    os << call.getFunction().getValue() << '(';
    printExpr(os, cast<ExprAttr>(call.getLhs()));
    os << ", ";
    printExpr(os, cast<ExprAttr>(call.getRhs()));
    os << ')';
    return;
  }
  os << "overflow";
}

/// `magnitude` is unsigned so that the smallest integer prints too.
static void printTerm(raw_ostream &os, uint64_t magnitude, ArrayAttr atoms) {
  if (magnitude != 1 || atoms.empty())
    os << magnitude << (atoms.empty() ? "" : " * ");
  llvm::interleave(atoms, os, [&](Attribute atom) { printAtom(os, atom); }, " * ");
}

static void printExpr(raw_ostream &os, ExprAttr expr) {
  if (expr.getTerms().empty())
    os << '0';
  bool first = true;
  for (auto [coefficient, atoms] : llvm::zip_equal(expr.getCoefficients(), expr.getTerms())) {
    bool negative = coefficient < 0;
    os << (first ? (negative ? "-" : "") : (negative ? " - " : " + "));
    printTerm(os, negative ? -uint64_t(coefficient) : coefficient, atoms);
    first = false;
  }
}

std::string Dim::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  printExpr(os, attr());
  return text;
}

void ExprAttr::print(AsmPrinter &printer) const { printer << '<' << Dim(*this).str() << '>'; }

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getExprs(), printer, [&](ExprAttr expr) { printer << Dim(expr).str(); });
  printer << "]>";
}

// --- parsing: expr = ["-"] term {("+" | "-") term};  term = factor {"*" factor}

namespace {
class ExprParser {
public:
  explicit ExprParser(AsmParser &parser) : parser(parser), ctx(parser.getContext()) {}

  FailureOr<Dim> parseExpr() {
    if (++depth > kMaxDepth)
      return parser.emitError(parser.getCurrentLocation(), "dimension expression is nested too deeply");
    FailureOr<Dim> total = parseSignedTerm();
    while (succeeded(total)) {
      bool plus = succeeded(parser.parseOptionalPlus());
      if (!plus && failed(parser.parseOptionalMinus()))
        break;
      FailureOr<Dim> term = parseSignedTerm();
      if (failed(term))
        return failure();
      total = plus ? *total + *term : *total - *term;
    }
    --depth;
    return total;
  }

private:
  static constexpr int kMaxDepth = 200;

  FailureOr<Dim> parseSignedTerm() {
    bool negative = succeeded(parser.parseOptionalMinus());
    FailureOr<Dim> product = parseFactor();
    while (succeeded(product) && succeeded(parser.parseOptionalStar())) {
      FailureOr<Dim> factor = parseFactor();
      if (failed(factor))
        return failure();
      product = *product * *factor;
    }
    if (failed(product) || !negative)
      return product;
    return *product * -1;
  }

  FailureOr<Dim> parseFactor() {
    int64_t integer;
    OptionalParseResult number = parser.parseOptionalInteger(integer);
    if (number.has_value())
      return succeeded(*number) ? FailureOr<Dim>(Dim::constant(ctx, integer)) : FailureOr<Dim>();
    std::string quoted;
    if (succeeded(parser.parseOptionalString(&quoted)))
      return Dim::symbol(ctx, quoted);
    if (succeeded(parser.parseOptionalLParen())) {
      FailureOr<Dim> inner = parseExpr();
      return failed(inner) || failed(parser.parseRParen()) ? FailureOr<Dim>() : inner;
    }
    llvm::SMLoc loc = parser.getCurrentLocation();
    StringRef name;
    if (failed(parser.parseOptionalKeyword(&name)))
      return parser.emitError(loc, "expected a size: an integer, a symbol, or a function of sizes");
    if (!isReserved(name))
      return Dim::symbol(ctx, name);
    if (name == "overflow")
      return overflowDim(ctx);
    FailureOr<Dim> lhs, rhs;
    if (parser.parseLParen() || failed(lhs = parseExpr()) || parser.parseComma() || failed(rhs = parseExpr()) || parser.parseRParen())
      return failure();
    return applyCall(name, *lhs, *rhs);
  }

  AsmParser &parser;
  MLIRContext *ctx;
  int depth = 0;
};
} // namespace

Attribute ExprAttr::parse(AsmParser &parser, Type) {
  FailureOr<Dim> dim;
  if (parser.parseLess() || failed(dim = ExprParser(parser).parseExpr()) || parser.parseGreater())
    return {};
  return dim->attr();
}

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<ExprAttr> exprs;
  auto parseOne = [&]() -> ParseResult {
    FailureOr<Dim> dim = ExprParser(parser).parseExpr();
    if (failed(dim))
      return failure();
    exprs.push_back(dim->attr());
    return success();
  };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne) || parser.parseGreater())
    return {};
  return DimsAttr::get(parser.getContext(), exprs);
}

} // namespace tenon::nn

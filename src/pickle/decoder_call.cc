// What a pickle may call, part of Decoder.
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "pickle/decoder.h"
#include "pickle/utf8.h"

namespace zeolite::pickle {
namespace {

constexpr const char* kWrongArguments = "a class is called with arguments that it does not take";

std::vector<Value>* items_of(Value& value) {
  if (auto* tuple = value.get<Tuple>()) return &tuple->items;
  if (auto* list = value.get<List>()) return &list->items;
  if (auto* set = value.get<Set>()) return &set->items;
  return nullptr;
}

// dict() of an iterable of pairs, or of a dict; false when it is neither.
bool make_dict(Value& source, Dict& dict) {
  if (auto* other = source.get<Dict>()) {
    dict = std::move(*other);
    return true;
  }
  std::vector<Value>* pairs = items_of(source);
  if (pairs == nullptr) return false;
  for (Value& pair : *pairs) {
    std::vector<Value>* both = items_of(pair);
    if (both == nullptr || both->size() != 2) return false;
    dict.items.emplace_back(std::move((*both)[0]), std::move((*both)[1]));
  }
  return true;
}

bool is_latin1(const Value& encoding) {
  const Text* name = encoding.get<Text>();
  const Bytes* bytes = encoding.get<Bytes>();  // as Python 2 wrote it
  const std::string_view text =
      name != nullptr ? name->utf8 : (bytes != nullptr ? bytes->view() : std::string_view{});
  return text == "latin1" || text == "latin-1";
}

}  // namespace

bool Decoder::push_global(ByteView module, ByteView name) {
  struct Known {
    std::string_view name;
    Callable callable;
  };
  static constexpr std::array<Known, 7> kBuiltins = {{{"set", Callable::set},
                                                      {"frozenset", Callable::set},
                                                      {"dict", Callable::dict},
                                                      {"list", Callable::list},
                                                      {"tuple", Callable::tuple},
                                                      {"bytes", Callable::bytes},
                                                      {"bytearray", Callable::bytes}}};
  Slot slot;
  if (module == "builtins" || module == "__builtin__") {
    const auto* known = std::ranges::find(kBuiltins, name, &Known::name);
    if (known != kBuiltins.end()) slot.callable = known->callable;
  } else if (module == "zodbpickle" && name == "binary") {
    slot.callable = Callable::bytes;
  } else if (module == "_codecs" && name == "encode") {
    slot.callable = Callable::text_encode;
  } else if (module == "ZopeUndo.Prefix" && name == "Prefix") {
    slot.callable = Callable::prefix;
  }
  if (slot.callable == Callable::none) {
    static constexpr std::size_t kNameShown = 80;
    return fail("it names the class " + std::string(module.substr(0, kNameShown)) + "." +
                std::string(name.substr(0, kNameShown)) + ", which is not for plain values");
  }
  return push_slot(std::move(slot));
}

bool Decoder::call() {
  const std::size_t level = stack_.size() - 2;
  Slot whole{.depth = 1};
  Value arguments;
  if (!finish(level) || !absorb(level + 1, whole, arguments)) return false;
  const Callable callable = stack_[level].callable;
  Tuple* tuple = arguments.get<Tuple>();
  if (callable == Callable::none || tuple == nullptr) {
    return fail("something is called that cannot be");
  }
  drop_from(level);
  switch (callable) {
    case Callable::bytes:
    case Callable::text_encode:
      if (!call_bytes(callable, tuple->items, whole.value)) return false;
      whole.depth = 0;
      break;
    case Callable::prefix:
      if (!tuple->items.empty()) return fail(kWrongArguments);
      whole.value = Value(PathPrefix{});
      break;
    default:
      if (!call_container(callable, tuple->items, whole.value)) return false;
      whole.has_new_items = callable == Callable::set || callable == Callable::dict;
  }
  return push_slot(std::move(whole));
}

bool Decoder::call_container(Callable callable, std::vector<Value>& arguments, Value& out) {
  if (arguments.size() > 1) return fail(kWrongArguments);
  if (callable == Callable::dict) {
    Dict dict;
    if (!arguments.empty() && !make_dict(arguments[0], dict)) return fail(kWrongArguments);
    out = Value(std::move(dict));
    return true;
  }
  std::vector<Value> items;
  if (!arguments.empty()) {
    std::vector<Value>* source = items_of(arguments[0]);
    if (source == nullptr) return fail(kWrongArguments);
    items = std::move(*source);
  }
  if (callable == Callable::set) {
    out = Value(Set{std::move(items)});
  } else if (callable == Callable::list) {
    out = Value(List{std::move(items)});
  } else {
    out = Value(Tuple{std::move(items)});
  }
  return true;
}

// bytes(), bytes(b"..."), bytearray("latin-1 text", "latin-1"), _codecs.encode("...", "latin1").
bool Decoder::call_bytes(Callable callable, const std::vector<Value>& arguments, Value& out) {
  if (arguments.size() == 2 && arguments[0].is<Text>() && is_latin1(arguments[1])) {
    auto bytes = latin1_from_utf8(arguments[0].get<Text>()->utf8);
    if (!bytes) return fail("a text is not Latin-1");
    out = Value(Bytes(std::move(*bytes)));
    return true;
  }
  if (callable == Callable::text_encode || arguments.size() > 1) return fail(kWrongArguments);
  if (!arguments.empty() && !arguments[0].is<Bytes>()) return fail(kWrongArguments);
  out = arguments.empty() ? Value(Bytes{}) : arguments[0];
  return true;
}

// {"length": number of elements, "path": the elements} for a path prefix, nothing else.
bool Decoder::build() {
  const std::size_t level = stack_.size() - 2;
  auto* prefix = changeable<PathPrefix>(level);
  Value state;
  if (prefix == nullptr || !absorb(level + 1, stack_[level], state)) return false;
  drop_from(level + 1);
  const Dict* dict = state.get<Dict>();
  const Value* path = dict == nullptr ? nullptr : dict->find("path");
  const Value* length = dict == nullptr ? nullptr : dict->find("length");
  const List* elements = path == nullptr ? nullptr : path->get<List>();
  if (elements == nullptr || length == nullptr) return fail("a path prefix has no path");
  const auto size = static_cast<std::int64_t>(elements->items.size());
  if (*length != Value(size)) return fail("a path prefix has another length than it says");
  prefix->path.clear();
  for (const Value& element : elements->items) {
    const Text* text = element.get<Text>();
    if (text == nullptr) return fail("a path prefix has an element that is not text");
    prefix->path.push_back(text->utf8);
  }
  return true;
}

}  // namespace zeolite::pickle

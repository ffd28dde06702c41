# SPDX-License-Identifier: Apache-2.0
"""What transformers makes of chat templates in the styles of common model families, and of single expressions.

Usage: make_template_reference.py OUT.json     (made with transformers 5.18.0, jinja2 3.1.6)
The templates are written for this test. The clock stands still at 2024-07-05 08:09:03.
"""
import copy, datetime, json, random, sys
import transformers.utils.chat_template_utils as ctu


class StoppedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 5, 8, 9, 3)


ctu.datetime = StoppedClock

T = {}
T["llama3"] = r"""{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{#- The system message comes out first -#}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none %}
    {{- 'Answer with {"name": function name, "parameters": dictionary}.\n\n' }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
        {%- if message.role == 'assistant' %}{% generation %}{{- message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}
        {%- else %}{{- message['content'] | trim + '<|eot_id|>' }}{% endif %}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {% generation %}{{- '{"name": "' + tool_call.name + '", "parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}<|eot_id|>" }}{% endgeneration %}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}
"""
T["qwen25"] = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}{{- message.content }}{{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
T["qwen3"] = r"""{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role in ["user", "system"] %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {{- '<|im_start|>' + message.role + '\n' }}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}{{- '\n' }}{%- endif %}
            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '<tool_call>\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
            {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (loop.previtem.role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<tool_response>\n' ~ content ~ '\n</tool_response>' }}
        {%- if loop.last or (loop.nextitem.role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}"""
T["mistral"] = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- elif message["role"] == "tool" %}
        {%- set content = message.content.content if message.content is mapping and message.content.content is defined else message.content %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + "}[/TOOL_RESULTS]" }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
T["gemma"] = r"""{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
"""
T["phi"] = r"""{% for message in messages %}
{% if message['role'] == 'system' and message['content'] %}
{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}
{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}
{{'<|assistant|>
' }}{% generation %}{{ message['content'] + '<|end|>
'}}{% endgeneration %}{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}"""
T["deepseek"] = r"""{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = ns.system_prompt + ('

' if ns.system_prompt else '') + message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<|Assistant|><|tool_calls_begin|><|tool_call_begin|>' + tool['type'] + '<|tool_sep|>' + tool['function']['name'] + '\n' + '```json' + '\n' + tool['function']['arguments']|tojson + '\n' + '```' + '<|tool_call_end|>'}}{%- set ns.is_first = true -%}{%- else %}{{'\n' + '<|tool_call_begin|>' + tool['type'] + '<|tool_sep|>' + tool['function']['name'] + '<|tool_call_end|>'}}{{'<|tool_calls_end|><|end_of_sentence|>'}}{%- endif %}{%- endfor %}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{%- if ns.is_tool %}{{'<|tool_outputs_end|>' + message['content'] + '<|end_of_sentence|>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + '<|end_of_sentence|>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<|tool_outputs_begin|><|tool_output_begin|>' + message['content'] + '<|tool_output_end|>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\n<|tool_output_begin|>' + message['content'] + '<|tool_output_end|>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<|tool_outputs_end|>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|>'}}{% endif %}"""
T["macros"] = r"""{%- macro render_type(spec, depth=0) -%}
  {%- if spec.type == 'array' -%}
    {{- render_type(spec['items'], depth + 1) ~ '[]' -}}
  {%- elif spec.enum is defined -%}
    {%- for e in spec.enum -%}"{{ e }}"{%- if not loop.last %} | {% endif -%}{%- endfor -%}
  {%- elif spec.type is string -%}
    {{- {'string': 'string', 'number': 'number', 'integer': 'number'}.get(spec.type, 'any') -}}
  {%- else -%}any{%- endif -%}
{%- endmacro -%}
{%- macro wrap(role) -%}<{{ role|upper }}>{{ caller() }}</{{ role|upper }}>{%- endmacro -%}
{% set sep = joiner("\n") %}
{% for tool in tools or [] %}
{{ sep() }}{{ tool.function.name }}({% for name, spec in tool.function.parameters.properties|dictsort %}{{ name }}: {{ render_type(spec) }}{{ ', ' if not loop.last }}{% endfor %}) // {{ tool.function.description | default('no description', true) | replace('\n', ' ') }}
{% endfor %}
{% for m in messages if m.content %}
{% if m.role == 'tool' %}{% continue %}{% endif %}
{% if loop.index > 6 %}{% break %}{% endif %}
{% call wrap(m.role) %}{% filter trim %}{{ m.content if m.content is string else m.content|map(attribute='text')|join(' ') }} {% endfilter %}{% endcall %}

{% else %}
nothing
{% endfor %}
{% set tail %}{{ messages|map(attribute='role')|unique|join(',') }}/{{ messages|length }}/{{ '%02d' % messages|length }}{% endset %}
[{{ tail }}]{% raw %}{{ not rendered }}{% endraw %}"""
T["prints"] = r"""{{ messages }} {{ messages[0] }} {{ (1, 'a', none, true, 2.5) }} {{ messages[-1].content }} {{ messages|selectattr('role', 'in', ['user','tool'])|list|length }}
{{ messages | tojson(indent=2) }}{{ messages|rejectattr('content', 'string')|list }}{{ tools[0].function.missing is defined }}{{ undefined_name }}
{{- messages[0].role.upper().lower().title() ~ 1 // 2 ~ 7 % -3 ~ -7 // 2 ~ 2 ** 10 ~ 1e3 ~ 1/3 }}{{ messages[0].nothing.more }}"""
T["unknown-filter"] = "{{ messages | frobnicate }}"
T["unknown-test"] = "a\n{% for m in messages %}{{ m is frobnicated }}{% endfor %}"
T["unknown-tag"] = "a\n\n{% frobnicate %}"
T["forgiven-filter"] = "{% if false %}{{ messages | frobnicate }}{% endif %}ok{{ messages[9].role | frobnicate if messages[9] }}"
T["unclosed"] = "{% for m in messages %}{{ m.role }}"
T["bad-print"] = "{{ messages[0].role }"
T["undefined-attribute"] = "{{ messages[0].nothing.more }}"
T["undefined-name"] = "{{ nothing + 'x' }}"
T["append"] = "{% set l = [] %}{{ l.append(1) }}"
T["none-plus"] = "{% for m in messages %}{{ 'a' + m.content + 1 }}{% endfor %}"
T["private"] = "{{ messages.__class__ }}"
T["import"] = "{{ ''.join(messages|map(attribute='role')|map('upper')) }}{{ [1,2,3]|sum }}{{ messages[0]|items|list }}"

U = lambda c: {"role": "user", "content": c}
A = lambda c, **k: {"role": "assistant", "content": c, **k}
S = lambda c: {"role": "system", "content": c}
W = lambda c: {"role": "tool", "content": c}
CALL = lambda i, **a: {"id": i, "type": "function", "function": {"name": "weather", "arguments": a}}
CONVERSATIONS = [
    [U("Hi"), A("Hello!")],
    [S(" Be brief.\n"), U("2+2?"), A("4"), U("3+3?"), A("6")],
    [U("naïve café — “q” 中文 🙂 e\u0301"), A("<b>&amp;</b> 'x' \"y\" \\ \t tab")],
    [U("w?"), A(None, tool_calls=[CALL("abcdefghi", city="Köln", days=3, ok=True, x=None)]), W("{\"t\": 21.5}"), A("It is 21.5.")],
    [S("s"), U("w?"), A("", tool_calls=[CALL("abcdefghi", city="A"), CALL("short", n=1.0)]), W("a"), W("b"), A("done")],
    [U("a"), A("<think>\nlong\n</think>\n\nshort"), U("b"), A("<think>x</think>final")],
    [A("starts"), U("x")],
    [U([{"type": "text", "text": " part "}, {"type": "image"}, {"type": "text", "text": "two"}]), A("ok")],
    [S("only system")],
    [U("q"), A("r", reasoning_content="because"), {"role": "developer", "content": "d"}],
]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Weather <of> a 'city'", "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["A", "B"]}, "days": {"type": "array", "items": {"type": "integer"}}}, "required": ["city"]}}}]
KWARGS = [{}, {"add_generation_prompt": True, "tools": TOOLS}, {"enable_thinking": False, "add_generation_prompt": True}]
BASE = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None, "add_generation_prompt": False}


def outcome(template, context):
    context = copy.deepcopy(context)
    try:
        compiled = ctu._cached_compile_jinja_template(template)
        blocks, spans = [], []
        with compiled.environment.activate_tracker(blocks, spans):
            for block in compiled.generate(**context):
                blocks.append(block)
        return {"expected": "".join(blocks), **({"spans": spans} if spans else {})}
    except Exception as e:
        return {"error": str(e)}


VARIABLES = dict(s="Hello World", u="naïve “q” 中文 🙂x", e="", n=3, neg=-7, f=2.5, t=True, no=None, l=[3, 1, 2], ls=["b", "A", "c"], le=[], d={"a": 1, "B": "x", "c": [1, 2]}, ms=[{"role": "user", "content": "hi", "n": 1}, {"role": "assistant", "content": "  yo\n"}], w="  pad\t\n", ml="one\ntwo\n\nthree")
FILTERS = "trim upper lower length list first last string int float tojson tojson(indent=2) capitalize title abs round round(1) sort reverse|list unique|list dictsort join join(',') default('D') default('D',true) map('upper')|list select('string')|list selectattr('role','equalto','user')|list rejectattr('content','none')|list map(attribute='role')|list replace('l','L') replace('','-',2) indent(2,true) items|list sum min max count batch(2)|list slice(2)|list wordcount sort(reverse=true) safe escape center(20) truncate(8) groupby('role') tojson(sort_keys=true) round(method='ceil') tojson(separators=(',',':'))".split()
METHODS = "strip() lstrip() rstrip('d') split() split('l') split(none,1) rsplit('l',1) startswith('H') endswith(('d','x')) upper() title() capitalize() replace('l','r',1) find('l') rfind('l') count('l') splitlines() partition('o') rpartition('o') join(ls) items() keys() values() get('a') get('zz',5) append(1) pop() update({}) index(1) isdigit() zfill(5) ljust(14)~1 swapcase() foo foo() role a".split()
TESTS = "defined,undefined,none,string,mapping,sequence,iterable,number,integer,float,boolean,true,odd,divisibleby(3),in(l),eq(3),ne(none),gt(1),callable,upper,lower,sameas(none)".split(",")
SLICES = ["[0]", "[-1]", "[9]", "[1:]", "[:-1]", "[::-1]", "[-3:2]", "[::2]", "['a']"]
OPERATORS = "+ - * / // % ** ~ == < >= in".split()


def expressions():
    rng = random.Random(11)
    names = list(VARIABLES) + ["undef"]
    for name in names:
        yield from (f"{name}|{f}" for f in rng.sample(FILTERS, 12))
        yield from (f"{name}.{m}" for m in rng.sample(METHODS, 10))
        yield from (f"{name} is {t}" for t in rng.sample(TESTS, 5))
        yield from (f"{name}{x}" for x in rng.sample(SLICES, 5))
        yield from (f"{name} {rng.choice(OPERATORS)} {rng.choice(names)}" for _ in range(8))


def main(out):
    cases = []
    for name, template in T.items():
        plain = not any(x in template for x in ("tools", "enable_thinking", "add_generation_prompt"))
        for c, conversation in enumerate(CONVERSATIONS[:2] if len(template) < 200 else CONVERSATIONS):
            for k, kwargs in enumerate(KWARGS[:1] if plain else KWARGS):
                cases.append({"t": name, "c": c, "k": k, **outcome(template, {**BASE, "messages": conversation, **kwargs})})
    lines = [[x, outcome("{{ " + x + " }}", VARIABLES)] for x in sorted(set(expressions()))]
    lines = [[x, o] for x, o in lines if " at 0x" not in str(o)]
    data = dict(templates=T, conversations=CONVERSATIONS, kwargs=KWARGS, base=BASE, cases=cases, variables=VARIABLES, expressions=lines)
    with open(out, "w") as f:
        json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
    print(len(cases), "renderings,", sum("error" in c for c in cases), "errors;", len(lines), "expressions")


main(sys.argv[1])

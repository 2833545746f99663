# Json.pm - as much of JSON as the benchmark's results need: Debian's essential perl-base has no module for it.
#
# Json::encode(VALUE) gives text, Json::decode(TEXT) the value again; keys come out sorted, so the same results give the
# same bytes. Numbers are what looks like one; there are no booleans.
package Json;
use strict;
use warnings;

my %escape = ('"' => '\\"', '\\' => '\\\\', "\n" => '\\n', "\t" => '\\t');
my %unescape = reverse %escape;

sub encode {
    my ($value, $indent) = @_;
    $indent //= '';
    return 'null' if !defined $value;
    my $inner = "$indent ";
    if (ref $value eq 'HASH') {
        return '{' . join(',', map { "\n$inner" . string($_) . ': ' . encode($value->{$_}, $inner) } sort keys %{$value}) . "\n$indent}";
    }
    if (ref $value eq 'ARRAY') {
        return '[' . join(', ', map { encode($_, $inner) } @{$value}) . ']';
    }
    return $value =~ /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?$/ ? $value : string($value);
}

sub string {
    my ($text) = @_;
    $text =~ s/(["\\\n\t])/$escape{$1}/g;
    return "\"$text\"";
}

sub decode {
    my ($text) = @_;
    my $value = value(\$text);
    $text =~ /\G\s*\z/gc or die 'Json: more than one value at ' . (pos($text) // 0) . "\n";
    return $value;
}

sub value {
    my ($t) = @_;
    if (${$t} =~ /\G\s*"((?:[^"\\]|\\.)*)"/gc) {
        my $string = $1;
        $string =~ s/(\\.)/$unescape{$1} \/\/ $1/ge;
        return $string;
    }
    return $1 if ${$t} =~ /\G\s*(-?[0-9][-+.0-9eE]*)/gc;
    return undef if ${$t} =~ /\G\s*null/gc;
    if (${$t} =~ /\G\s*\[/gc) {
        return [members($t, ']', sub { value($t) })];
    }
    if (${$t} =~ /\G\s*\{/gc) {
        return { members($t, '}', sub {
            my $key = value($t);
            ${$t} =~ /\G\s*:/gc or die "Json: no colon\n";
            return ($key, value($t));
        }) };
    }
    die 'Json: nothing that can be read at ' . (pos(${$t}) // 0) . "\n";
}

sub members {
    my ($t, $end, $read) = @_;
    my @members;
    return if ${$t} =~ /\G\s*\Q$end\E/gc;
    while (1) {
        push @members, $read->();
        return @members if ${$t} =~ /\G\s*\Q$end\E/gc;
        ${$t} =~ /\G\s*,/gc or die "Json: no comma\n";
    }
}

1;
